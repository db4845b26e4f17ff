import { askToImport, importObjects } from '@sluice/testkit/chosen-keys.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld({ WORKER_CONCURRENCY: '4' })
})
afterAll(() => world?.stop())

type Storage = Awaited<ReturnType<World['storage']>>

const put = (bucket: string, key: string, body: string) => world.s3.putMany(bucket, [{ key, body }])

/** Starts a sync whose read of `key` waits until `release`; resolves when the storage was asked for the object. */
async function heldSync(storage: Storage, key: string) {
  const held = world.front.fail({
    hold: true,
    match: (request) => request.operation === 'GetObject' && request.bucket === storage.bucket && request.key === key,
  })
  const run = await startSync(world.app, storage.id)
  await held.met
  return {
    finish: () => {
      held.release()
      return finished(world.app, run)
    },
  }
}

async function linksOf({ databaseId }: Storage) {
  return query(
    world.app.databaseUrl,
    `select key, row_index as row, object_exists as exists from import_link where storage_id = $1 order by key, row_index`,
    [databaseId],
  )
}

describe('an import of chosen objects beside a sync', () => {
  it('imports each object once together with the sync, and numbers the tasks without a gap', async () => {
    const objects = { 'a.json': '{"n":1}', 'b.json': '[{"n":2},{"n":3}]', 'c.json': '{"n":4}', 'z.json': '{"n":5}' }
    const storage = await world.storage({ importMethod: 'TASKS', objects })
    const syncing = await heldSync(storage, 'z.json')
    expect(await importObjects(world.app, storage.id, ['a.json', 'b.json', 'z.json'])).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 4 },
    })
    expect(await syncing.finish()).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { listed: 4, created: 1 },
    })
    const tasks = await tasksOf(world.app, storage.project)
    expect(tasks.map(({ data }) => data.n).sort()).toEqual([1, 2, 3, 4, 5])
    expect(tasks.map(({ innerId }) => innerId).sort()).toEqual([1, 2, 3, 4, 5])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 4, created: 0, updated: 0 } })
  })

  it('keeps the newer version of an object that the sync read before', async () => {
    const storage = await world.storage({
      ...{ importMethod: 'TASKS', changedPolicy: 'UPDATE' },
      objects: { 'a.json': '{"n":1}', 'b.json': '[{"n":1},{"n":2}]' },
    })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.json', '{"n":22}')
    await put(storage.bucket, 'b.json', '[{"n":22},{"n":23},{"n":24}]')
    await put(storage.bucket, 'z.json', '{"n":0}')
    const reads = world.front.counts.GetObject!
    const syncing = await heldSync(storage, 'z.json')
    // The sync reads the three objects at the same time.
    await until(() => world.front.counts.GetObject! >= reads + 3)
    await put(storage.bucket, 'a.json', '{"n":333}')
    await put(storage.bucket, 'b.json', '[{"n":333}]')
    expect(await importObjects(world.app, storage.id, ['a.json', 'b.json'])).toMatchObject({ counters: { updated: 2 } })
    expect(await syncing.finish()).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 3, created: 1, updated: 0 },
    })
    const data = (await tasksOf(world.app, storage.project)).map((task) => [task.link?.key, task.data.n])
    expect(data).toEqual([
      ['a.json', 333],
      ['b.json', 333],
      ['b.json', 2],
      ['z.json', 0],
    ])
  })

  it('applies maxObjects once to a page that the sync reads again', async () => {
    const objects = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [`${name}.json`, '{}']))
    const storage = await world.storage({ importMethod: 'TASKS', objects, filters: { maxObjects: 3 } })
    const syncing = await heldSync(storage, 'c.json')
    await importObjects(world.app, storage.id, ['a.json'])
    expect(await syncing.finish()).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
    expect((await linksOf(storage)).map(({ key }) => key)).toEqual(['a.json', 'b.json', 'c.json', 'd.json'])
  })

  it.each(['IGNORE', 'UPDATE'])(
    'keeps an object that came back after the sync found it missing (%s)',
    async (changedPolicy) => {
      const storage = await world.storage({
        ...{ importMethod: 'TASKS', missingPolicy: 'DELETE_UNANNOTATED', changedPolicy },
        objects: { 'a.json': '{}', 'k.json': '{}' },
      })
      await sync(world.app, storage.id)
      await fetch(`${world.s3.endpoint}/${storage.bucket}/k.json`, { method: 'DELETE' })
      await put(storage.bucket, 'z.json', '{}')
      const syncing = await heldSync(storage, 'z.json')
      await put(storage.bucket, 'k.json', '{"n":2}')
      expect(await importObjects(world.app, storage.id, ['k.json'])).toMatchObject({ status: 'COMPLETED' })
      expect(await syncing.finish()).toMatchObject({ counters: { missing: 0, deleted: 0, created: 1 } })
      expect(await linksOf(storage)).toMatchObject([
        { key: 'a.json', exists: true },
        { key: 'k.json', exists: true },
        { key: 'z.json', exists: true },
      ])
    },
  )

  it('neither returns nor delays the run of the sync, and a third run of the same keys can run beside both', async () => {
    const objects = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`${n}.json`, '[{"n":1},{"n":2}]']))
    const storage = await world.storage({ importMethod: 'TASKS', objects })
    const keys = Object.keys(objects)
    const runs = await Promise.all([
      startSync(world.app, storage.id),
      ...[keys, keys.toReversed()].map(async (some) => (await askToImport(world.app, storage.id, some)).run.id),
    ])
    expect(new Set(runs).size).toBe(3)
    const ended = await Promise.all(runs.map((run) => finished(world.app, run)))
    for (const run of ended) expect(run).toMatchObject({ status: 'COMPLETED', attempt: 1, counters: { failed: 0 } })
    expect(ended.reduce((sum, run) => sum + run.counters.created, 0)).toBe(80)
    expect(await linksOf(storage)).toHaveLength(80)
    expect(await tasksOf(world.app, storage.project)).toHaveLength(80)
  })
})
