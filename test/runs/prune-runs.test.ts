import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pruneRuns } from '../../src/runs/prune-runs.ts'

describe('the runs of a storage', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  /** Runs with an issue and a key that they kept in mind; ids, oldest first. */
  async function addRuns(
    storage: number,
    count: number,
    { status = 'COMPLETED', kind = 'SYNC' } = {},
  ): Promise<number[]> {
    const rows = await query(
      world.app.databaseUrl,
      `with r as (
         insert into sync_run (storage_id, status, kind, started_at) select $1, $2, $3, now() from generate_series(1, $4::int)
         returning id),
       i as (insert into sync_issue (run_id, key, code, message, retryable) select id, 'k', 'NOT_FOUND', 'gone', false from r),
       k as (insert into sync_key (run_id, kind, key) select id, 'SEEN', 'k' from r)
       select id::int from r order by id`,
      [storage, status, kind, count],
    )
    return rows.map(({ id }) => id)
  }
  const left = async (table: string, column: string, ids: number[]) => {
    const rows = await query(
      world.app.databaseUrl,
      `select distinct ${column}::int as id from ${table} where ${column} = any($1) order by 1`,
      [ids],
    )
    return rows.map(({ id }) => id)
  }

  it('are stored up to a limit, issues up to a smaller one, and the last sync always', async () => {
    const [busy, quiet] = [await world.storage({}), await world.storage({})]
    const last = await addRuns(busy.databaseId, 1)
    await query(world.app.databaseUrl, 'update storage set last_run = $2 where id = $1', [busy.databaseId, last[0]])
    const runs = await addRuns(busy.databaseId, 10, { kind: 'CHOSEN' })
    const few = await addRuns(quiet.databaseId, 3)
    await pruneRuns(world.app.orm.em.fork(), { rows: 5, issues: 3 })
    expect(await left('sync_run', 'id', [...last, ...runs])).toEqual([...last, ...runs.slice(-5)])
    expect(await left('sync_issue', 'run_id', [...last, ...runs])).toEqual([...last, ...runs.slice(-3)])
    expect(await left('sync_run', 'id', few)).toEqual(few)
    expect(await left('sync_issue', 'run_id', few)).toEqual(few)
  })

  it('that have ended lose their stored keys; active ones keep them', async () => {
    const storage = await world.storage({})
    const running = await addRuns(storage.databaseId, 1, { status: 'IN_PROGRESS' })
    const ended = await addRuns(storage.databaseId, 5)
    await pruneRuns(world.app.orm.em.fork(), { rows: 2, issues: 1 })
    expect(await left('sync_run', 'id', [...running, ...ended])).toEqual([...running, ...ended.slice(-2)])
    expect(await left('sync_key', 'run_id', [...running, ...ended])).toEqual(running)
    expect(await left('sync_issue', 'run_id', running)).toEqual(running)
    await query(world.app.databaseUrl, `update sync_run set status = 'CANCELED' where id = any($1)`, [running])
  })
})
