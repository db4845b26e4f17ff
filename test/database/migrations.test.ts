import { MikroORM } from '@mikro-orm/postgresql'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { openDatabase, ormOptions } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import { startTestApp } from '../support/app.ts'
import { admin, databaseUrl } from '../support/postgres.ts'
import { query } from '../support/sql.ts'

const server = inject('postgres')
const made: string[] = []

/** A database with nothing in it. */
async function emptyDatabase(): Promise<string> {
  const name = `empty_${made.length}_${process.pid}`
  made.push(name)
  await admin(server, `create database ${name}`)
  return databaseUrl(server, name)
}

afterAll(async () => {
  for (const name of made) await admin(server, `drop database if exists ${name} with (force)`)
})

describe('an empty database', () => {
  it('is brought to exactly what the entities say', async () => {
    const url = await emptyDatabase()
    const orm = await openDatabase(url, createLogger('silent'))
    expect(await orm.schema.getUpdateSchemaSQL()).toBe('')
    await orm.close(true)
  })

  it('is migrated by one of two servers that start at once, and both start', async () => {
    const url = await emptyDatabase()
    const apps = await Promise.all([startTestApp({}, { url }), startTestApp({}, { url })])
    for (const app of apps) expect(await app.request('{ viewer { name } }')).toEqual({ viewer: { name: 'admin' } })
    const [steps] = await query(
      url,
      'select count(*)::int as n, count(distinct name)::int as names from mikro_orm_migrations',
    )
    expect(steps.n).toBe(steps.names)
    for (const app of apps) await app.stop()
  })

  it('that is up to date is left alone by the next start', async () => {
    const url = await emptyDatabase()
    await (await openDatabase(url, createLogger('silent'))).close(true)
    const before = await query(url, 'select * from mikro_orm_migrations order by id')
    await (await openDatabase(url, createLogger('silent'))).close(true)
    expect(await query(url, 'select * from mikro_orm_migrations order by id')).toEqual(before)
  })
})

describe('the indexes', () => {
  it('serve every foreign key, so that deleting does not read whole tables', async () => {
    const orm = await MikroORM.init(ormOptions(inject('postgres').replace('/sluice?', '/template_sluice?')))
    const missing = await orm.em.getConnection().execute(
      `select c.conrelid::regclass::text as "table", a.attname as "column" from pg_constraint c
       join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
       where c.contype = 'f' and not exists (
         select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`,
    )
    expect(missing).toEqual([])
    await orm.close(true)
  })
})
