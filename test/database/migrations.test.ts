import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { MikroORM } from '@mikro-orm/postgresql'
import { createDatabase, startTestApp } from '@sluice/testkit/app.ts'
import { admin, databaseUrl } from '@sluice/testkit/postgres.ts'
import { query } from '@sluice/testkit/sql.ts'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { migrations } from '../../src/database/migrations/index.ts'
import { openDatabase, ormOptions } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import { breaksOf, readSchema, type SchemaParts } from './compatibility.ts'

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
  it('gets exactly the schema of the entities', async () => {
    const url = await emptyDatabase()
    const orm = await openDatabase(url, createLogger('silent'))
    expect(await orm.schema.getUpdateSchemaSQL()).toBe('')
    await orm.close(true)
  })

  it('is migrated by one of two servers that start at the same time, and both start', async () => {
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

  it('is not changed by the next start once it is up to date', async () => {
    const url = await emptyDatabase()
    await (await openDatabase(url, createLogger('silent'))).close(true)
    const before = await query(url, 'select * from mikro_orm_migrations order by id')
    await (await openDatabase(url, createLogger('silent'))).close(true)
    expect(await query(url, 'select * from mikro_orm_migrations order by id')).toEqual(before)
  })
})

describe('migrations', () => {
  it('are not renamed, reordered or edited after they have landed (add a new one to landed-migrations.json)', async () => {
    const orm = await MikroORM.init(ormOptions(inject('postgres').replace('/sluice?', '/template_sluice?')))
    const hashes = migrations.map(({ name, class: Migration }) => {
      const migration = new Migration(orm.em.getDriver(), orm.config)
      migration.up()
      const text = migration.getQueries().map(String).join(';\n')
      return [name, createHash('sha256').update(text).digest('hex').slice(0, 16)]
    })
    await orm.close(true)
    const file = new URL('landed-migrations.json', import.meta.url)
    expect(Object.fromEntries(hashes)).toEqual(JSON.parse(readFileSync(file, 'utf8')))
    expect(hashes.map(([name]) => name)).toEqual(hashes.map(([name]) => name).sort())
  })

  // Earlier ones landed before the rule.
  it('do not break running processes of the previous version', async () => {
    const url = await emptyDatabase()
    const orm = await MikroORM.init(ormOptions(url))
    await orm.migrator.up({ to: '0014-file-settings' })
    const faults: Record<string, string[]> = {}
    let before = await readSchema(url)
    for (const { name } of migrations.filter((one) => one.name > '0014-file-settings')) {
      await orm.migrator.up({ to: name })
      const after = await readSchema(url)
      faults[name] = breaksOf(before, after)
      before = after
    }
    await orm.close(true)
    expect(Object.keys(faults)).toContain('0015-finished-by')
    expect(faults).toEqual(Object.fromEntries(Object.keys(faults).map((name) => [name, []])))
  })

  it.each([
    ['alter table task drop column meta', 'task.meta is gone'],
    ['alter table task rename column meta to more', 'task.meta is gone'],
    ['drop table worker', 'worker.id is gone'],
    ['alter table task alter column data type jsonb', 'task.data was json and is jsonb'],
    ['alter table task alter column meta set not null', 'task.meta may no longer be null'],
    ['alter table task add column kind text not null', 'task.kind is new, not null, and has no default'],
    ['create unique index once on project (title)', 'project.once restricts columns that were there before'],
    ['alter table task add constraint few check (inner_id < 9)', 'task.few restricts columns that were there before'],
  ])('would break them by "%s"', async (statement, fault) => {
    const { before, after } = await changedBy(statement)
    expect(breaksOf(before, after)).toContain(fault)
  })

  it.each([
    'alter table task add column kind text null',
    `alter table task add column kind text not null default 'A'`,
    `alter table task add column kind text null check (kind in ('A', 'B'))`,
    'create index task_age on task (created_at)',
    'create table kind (id bigserial primary key, name text not null unique)',
    `alter table sync_run drop constraint sync_run_lane_check, add constraint sync_run_lane_check check (lane in ('MAIN', 'EXTRA', 'NEW'))`,
  ])('would not break them by "%s"', async (statement) => {
    const { before, after } = await changedBy(statement)
    expect(breaksOf(before, after)).toEqual([])
  })
})

/** The schema before and after a statement. */
async function changedBy(statement: string): Promise<{ before: SchemaParts; after: SchemaParts }> {
  const database = await createDatabase()
  const before = await readSchema(database.url)
  await query(database.url, statement)
  const after = await readSchema(database.url)
  await database.drop()
  return { before, after }
}

describe('the migration of missing rows', () => {
  it('marks the rows that an earlier version flagged in existing objects, and no others', async () => {
    const url = await emptyDatabase()
    const orm = await MikroORM.init({ ...ormOptions(url), logger: () => {} })
    await orm.migrator.up({ to: '0014-file-settings' })
    await query(
      url,
      `insert into project (id, title) values (1, 'Test');
       insert into storage (id, project_id, direction, provider, location, fingerprint) values (1, 1, 'IMPORT', 'S3', '{}', '');
       insert into task (id, project_id, inner_id, data) select n, 1, n, '{}' from generate_series(1, 8) n;
       insert into imported_object (storage_id, key, rows, object_exists)
         values (1, 'shorter', 1, true), (1, 'gone', 1, false), (1, 'was one task', 1, true);
       insert into import_link (storage_id, task_id, key, row_index, object_exists) values
         (1, 1, 'shorter', 0, true), (1, 2, 'shorter', 1, false), (1, 3, 'gone', 0, false),
         (1, 4, 'was one task', -1, false), (1, 5, 'was one task', 0, true),
         (1, 6, 'was rows', -1, true), (1, 7, 'was rows', 0, false), (1, 8, 'gone, one task', -1, false)`,
    )
    await orm.migrator.up()
    await orm.close(true)
    const marked = await query(
      url,
      'select task_id::int as task from import_link where not row_exists order by task_id',
    )
    expect(marked.map(({ task }) => task)).toEqual([2, 4, 7])
  })
})

describe('the indexes', () => {
  it('cover every foreign key, so that a deletion does not scan whole tables', async () => {
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
