import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sql } from '../../src/sql.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { query, until } from '../support/sql.ts'

describe('a session of the database', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  it('is ended when its process stands still in a transaction, so that its locks keep nobody waiting', async () => {
    const [project] = await sql<{ id: string }>(app.orm.em, `insert into project (title) values ('held') returning id`)
    const stands = Promise.withResolvers<void>()
    const left = app.orm.em.fork().transactional(async (tx) => {
      await sql(tx, 'select 1 from project where id = $1 for update', [project!.id])
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

  it('that is lost in a transaction goes back to the pool, however often that happens', async () => {
    for (let times = 0; times < 25; times++) {
      const lost = app.orm.em.fork().transactional((tx) => sql(tx, 'select pg_terminate_backend(pg_backend_pid())'))
      await expect(lost).rejects.toThrow()
    }
    expect(await sql(app.orm.em, 'select 1 as one')).toEqual([{ one: 1 }])
  })
})
