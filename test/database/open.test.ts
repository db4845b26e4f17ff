import { randomBytes } from 'node:crypto'
import { createDatabase, startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { admin } from '@sluice/testkit/postgres.ts'
import { query, type Sent, until, watchStatements } from '@sluice/testkit/sql.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { openDatabase } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import { execute } from '../../src/sql.ts'

describe('a session of the database', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  it('is ended when its process freezes in a transaction, so that its locks are released', async () => {
    const [project] = await execute<{ id: string }>(
      app.orm.em,
      sql`insert into project (title) values ('held') returning id`,
    )
    const stands = Promise.withResolvers<void>()
    const left = app.orm.em.fork().transactional(async (tx) => {
      await execute(tx, sql`select 1 from project where id = ${project!.id} for update`)
      await stands.promise
    })
    left.catch(() => {})
    const isFree = () =>
      query(app.databaseUrl, 'select 1 from project where id = $1 for update skip locked', [project!.id])
    await until(async () => (await isFree()).length === 0)
    await until(async () => (await isFree()).length === 1)
    stands.resolve()
    await expect(left).rejects.toThrow()
  })

  it('returns to the pool each time its connection is lost in a transaction', async () => {
    for (let times = 0; times < 25; times++) {
      const lost = app.orm.em
        .fork()
        .transactional((tx) => execute(tx, sql`select pg_terminate_backend(pg_backend_pid())`))
      await expect(lost).rejects.toThrow()
    }
    expect(await execute(app.orm.em, sql`select 1 as one`)).toEqual([{ one: 1 }])
  })
})

describe('with PgBouncer in transaction mode', () => {
  it('the server starts, because the lock of its migrations ends with a transaction', async () => {
    const database = await createDatabase()
    const sent: Sent[] = []
    const end = watchStatements(sent)
    const orm = await openDatabase(database.url, createLogger('silent'))
    end()
    const texts = sent.map(({ text }) => text)
    const lock = texts.findIndex((text) => text.includes('pg_advisory_xact_lock'))
    expect(texts.filter((text) => text.includes('pg_advisory_lock'))).toEqual([])
    expect(texts[lock - 1]).toBe('begin')
    await orm.close(true)
    await database.drop()
  })

  it('LISTEN and the job queue use DATABASE_SESSION_URL, everything else DATABASE_URL', async () => {
    const database = await createDatabase()
    const name = `session_${randomBytes(6).toString('hex')}`
    await query(database.url, `create role ${name} login superuser password 'secret'`)
    const session = database.url.replace(/user=[^&]*/, `user=${name}`).replace(/password=[^&]*/, 'password=secret')
    const app = await startTestApp(
      { DATABASE_SESSION_URL: session, DATABASE_POOL_SIZE: '10', SLUICE_ROLES: 'api' },
      database,
    )
    const users = await query(
      database.url,
      `select usename = $1 as by_session, query ~* '^listen' as listens from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
      [name],
    )
    expect(users.some((one) => one.by_session && one.listens)).toBe(true)
    expect(users.some((one) => !one.by_session)).toBe(true)
    expect(users.filter((one) => !one.by_session && one.listens)).toEqual([])
    // One more than the pool has, each in a transaction that stays open until the others have begun: one has to wait.
    let begun = 0
    const all = Promise.withResolvers<void>()
    const pids = Array.from({ length: 11 }, () =>
      app.orm.em.fork().transactional(async (tx) => {
        const [row] = await execute<{ pid: number }>(tx, sql`select pg_backend_pid() as pid`)
        if (++begun >= 10) all.resolve()
        await all.promise
        return row!.pid
      }),
    )
    expect(new Set(await Promise.all(pids)).size).toBe(10)
    await app.stop()
    await database.drop()
    await admin(inject('postgres'), `drop role ${name}`)
  })
})
