import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jobs } from '../../src/queue/jobs.ts'

describe('concurrent syncs', () => {
  let world: World
  let other: TestApp
  beforeAll(async () => {
    world = await startWorld()
    other = await startTestApp({}, { url: world.app.databaseUrl })
  })
  afterAll(async () => {
    await other?.stop()
    await world?.stop()
  })

  it('of one storage are the same run, on any server', async () => {
    const storage = await world.storage({ objects: { a: '', b: '' } })
    const held = world.front.fail({ hold: true, times: Infinity })
    const asked = await Promise.all(
      Array.from({ length: 20 }, (_, i) => startSync(i % 2 ? world.app : other, storage.id)),
    )
    expect(new Set(asked).size).toBe(1)
    await held.met
    expect(await startSync(other, storage.id)).toBe(asked[0])
    held.release()
    expect(await finished(world.app, asked[0]!)).toMatchObject({ status: 'COMPLETED', counters: { created: 2 } })
    const [runs] = await query(
      world.app.databaseUrl,
      'select count(*)::int as runs from sync_run where storage_id = $1',
      [storage.databaseId],
    )
    expect(runs.runs).toBe(1)
  })

  it('of one storage are a new run once the first has ended', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const first = await startSync(world.app, storage.id)
    await finished(world.app, first)
    const second = await startSync(world.app, storage.id)
    expect(second).not.toBe(first)
    await finished(world.app, second)
  })

  it('of two storages of one project number the tasks from 1 without gaps and duplicates', async () => {
    const project = await createProject(world.app)
    const storages = []
    for (let n = 0; n < 2; n++) {
      const bucket = await world.bucket()
      await world.s3.seed(bucket, { count: 3_000 })
      storages.push(await world.storage({ bucket, project }))
    }
    const runs = await Promise.all(storages.map((storage) => startSync(world.app, storage.id)))
    for (const run of runs) expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED' })
    const [rows] = await query(
      world.app.databaseUrl,
      `select count(*)::int as tasks, count(distinct inner_id)::int as numbers, min(inner_id)::int as first,
         max(inner_id)::int as last from task where project_id = (select project_id from storage where id = $1)`,
      [storages[0]!.databaseId],
    )
    expect(rows).toEqual({ tasks: 6_000, numbers: 6_000, first: 1, last: 6_000 })
  })

  it('of one storage never overlap, even if a job runs twice', async () => {
    const storage = await world.storage({ objects: { a: '', b: '', c: '' } })
    const run = await startSync(world.app, storage.id)
    const [row] = await query(world.app.databaseUrl, 'select id::int from sync_run where storage_id = $1', [
      storage.databaseId,
    ])
    const again = () => world.app.queue.enqueue(jobs.importStorage, { runId: row.id, attempt: 1 })
    await Promise.all(Array.from({ length: 5 }, again))
    expect(await finished(other, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { listed: 3, created: 3 },
    })
  })
})
