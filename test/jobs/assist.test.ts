import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const env = { ASSIST_AFTER: '0.3', READ_CONCURRENCY: '4' }

describe('a long import', () => {
  let world: World
  let other: TestApp
  beforeAll(async () => {
    // Pages of few keys, so that there is much to be told and to be shared.
    world = await startWorld(env, 200)
    other = await startTestApp(env, { url: world.app.databaseUrl })
  })
  afterAll(async () => {
    await other?.stop()
    await world?.stop()
  })

  async function slowImport(count: number) {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count, prefix: 'tasks/', suffix: '.json', body: '{"n":{n}}' })
    const storage = await world.storage({ bucket, importMethod: 'TASKS' })
    const slow = world.front.fail({
      ...{ delayMs: 8, times: Infinity },
      match: (request) => request.operation === 'GetObject' && request.bucket === bucket,
    })
    return { storage, run: await startSync(world.app, storage.id), slow }
  }

  const holders = async (storageId: number) => {
    const rows = await query(
      world.app.databaseUrl,
      'select distinct holder from sync_shard s join sync_run r on r.id = s.run_id where r.storage_id = $1',
      [storageId],
    )
    return rows.length
  }

  /** Waits for a second worker; fails when the run ends without one. */
  const shared = (storageId: number) =>
    until(async () => {
      const [run] = await query(world.app.databaseUrl, 'select status from sync_run where storage_id = $1', [storageId])
      const workers = await holders(storageId)
      expect(workers >= 2 || ['QUEUED', 'IN_PROGRESS'].includes(run.status)).toBe(true)
      return workers >= 2
    })

  const counts = async (storageId: number) => {
    const [row] = await query(
      world.app.databaseUrl,
      `select count(*)::int as links, count(distinct key)::int as keys, count(distinct t.inner_id)::int as numbers
       from import_link l join task t on t.id = l.task_id where l.storage_id = $1`,
      [storageId],
    )
    return row
  }

  it('is split over two processes, and every object is requested, imported and counted once', async () => {
    const { storage, run, slow } = await slowImport(4_000)
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { listed: 4_000, created: 4_000, existed: 0, failed: 0, missing: 0 },
    })
    expect(await holders(storage.databaseId)).toBeGreaterThanOrEqual(2)
    expect(slow.hits).toBe(4_000)
    expect(await counts(storage.databaseId)).toEqual({ links: 4_000, keys: 4_000, numbers: 4_000 })
  })

  it('continues when a process that helps stops', async () => {
    const third = await startTestApp(env, { url: world.app.databaseUrl })
    const { storage, run } = await slowImport(4_000)
    await shared(storage.databaseId)
    await third.stop()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 4_000, created: 4_000, existed: 0 },
    })
    expect(await counts(storage.databaseId)).toEqual({ links: 4_000, keys: 4_000, numbers: 4_000 })
  })

  it('stops in both when it is canceled', async () => {
    const { storage, run, slow } = await slowImport(4_000)
    await shared(storage.databaseId)
    await world.app.request('mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }', { id: run })
    expect(await finished(world.app, run)).toMatchObject({ status: 'CANCELED' })
    const reads = () => slow.hits
    const [before, links] = [reads(), (await counts(storage.databaseId)).links]
    // A sync that begins and ends afterwards shows that the others had the time to go on.
    await finished(world.app, await startSync(world.app, (await world.storage({ objects: { a: 'x' } })).id))
    expect(reads() - before).toBeLessThan(20)
    expect((await counts(storage.databaseId)).links).toBe(links)
  })
})
