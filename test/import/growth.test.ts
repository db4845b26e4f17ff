import { MikroORM } from '@mikro-orm/postgresql'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ormOptions } from '../../src/database/open.ts'
import { StorageEntity } from '../../src/entities/storage.ts'
import { SyncRunEntity } from '../../src/entities/sync-run.ts'
import { sweepMissing } from '../../src/import/missing.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { execute } from '../../src/sql.ts'

let app: TestApp
let orm: MikroORM
beforeAll(async () => {
  app = await startTestApp({ SLUICE_ROLES: 'api' })
  // One connection, so that its statistics are those of all that was done.
  orm = await MikroORM.init({ ...ormOptions(app.databaseUrl), pool: { min: 1, max: 1 } })
})
afterAll(async () => {
  await orm?.close(true)
  await app?.stop()
})

/** Rows and index entries of a table that `work` reads. */
async function readsOf(table: string, work: () => Promise<unknown>): Promise<number> {
  const look = async () => {
    await execute(orm.em, sql`select pg_stat_force_next_flush()`)
    const [row] = await query(
      app.databaseUrl,
      `select (t.seq_tup_read + coalesce(t.idx_tup_fetch, 0) + (
         select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid))::int as reads
       from pg_stat_user_tables t where relname = $1`,
      [table],
    )
    return row.reads as number
  }
  const before = await look()
  await work()
  return (await look()) - before
}

/** A storage with `count` links, and a run of it that is under way and has missed all of them. */
async function runWithMissing(count: number) {
  await createProject(app)
  const [row] = await query(
    app.databaseUrl,
    `with s as (
       insert into storage (project_id, direction, provider, location, fingerprint)
       select max(id), 'IMPORT', 'S3', '{}', '' from project returning id, project_id),
     r as (insert into sync_run (storage_id, status) select id, 'IN_PROGRESS' from s returning id),
     n as materialized (select n, nextval('task_id_seq') as task, 'k/' || lpad(n::text, 8, '0') as key from generate_series(1, $1::int) n),
     t as (insert into task (id, project_id, inner_id, data) select n.task, s.project_id, n.n, '{}' from n, s),
     l as (insert into import_link (storage_id, task_id, key) select s.id, n.task, n.key from n, s),
     k as (insert into sync_key (run_id, kind, key) select r.id, 'MISSING', n.key from n, r)
     select s.id::int as storage, r.id::int as run from s, r`,
    [count],
  )
  const em = orm.em.fork()
  return {
    run: await em.findOneOrFail(SyncRunEntity, row.run),
    storage: await em.findOneOrFail(StorageEntity, row.storage),
  }
}

describe('the sweep of missing objects', () => {
  it('reads each missing key a few times, however many there are', async () => {
    const count = 5_000
    const { run, storage } = await runWithMissing(count)
    const provider = { ordered: true } as Provider
    const { signal } = new AbortController()
    const reads = await readsOf('sync_key', () => sweepMissing(orm.em, { run, storage, provider, signal }))
    expect(reads).toBeGreaterThan(count)
    expect(reads).toBeLessThan(count * 10)
    const [left] = await query(
      app.databaseUrl,
      `select (select count(*)::int from sync_key where run_id = $1) as keys,
         (select missing::int from sync_run where id = $1) as missing,
         (select count(*)::int from import_link where storage_id = $2 and object_exists) as links`,
      [run.id, storage.id],
    )
    expect(left).toEqual({ keys: 0, missing: count, links: 0 })
  })
})
