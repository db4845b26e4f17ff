import { importObjects } from '@sluice/testkit/chosen-keys.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { kindNames } from '@sluice/testkit/storage-kinds.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe.each(kindNames)('importObjects from %s', (kind) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(kind)
  })
  afterAll(() => world?.stop())

  it('creates, updates and flags the tasks of chosen objects, of files with several rows too, as a sync does', async () => {
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{ projectId: project, location: world.location, skipCheck: true, importMethod: 'TASKS' },
      ...{ changedPolicy: 'UPDATE', missingPolicy: 'FLAG', filters: { include: ['**/*.json'] } },
    })
    const chosen = (...keys: string[]) => importObjects(world.app, storage.id, keys)
    await world.put('in/one.json', '{"n":1}')
    await world.put('in/rows.json', '[{"n":2},{"n":3}]')
    await world.put('in/other.json', '{"n":4}')
    await world.put('out/one.json', '{"n":5}')
    const first = await chosen('in/one.json', 'in/rows.json', 'in/none.json', 'in/no.txt', 'out/one.json')
    expect(first).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 5, skipped: 2, created: 3, failed: 1, missing: 0 },
    })
    expect(first.issues).toMatchObject([{ key: 'in/none.json', code: 'OBJECT_MISSING' }])
    expect(await chosen('in/one.json', 'in/rows.json')).toMatchObject({
      counters: { created: 0, updated: 0, failed: 0 },
    })
    // Another size: Redis has neither versions nor times.
    await world.put('in/rows.json', '[{"n":22},{"n":33},{"n":44}]')
    await world.remove('in/one.json')
    expect(await chosen('in/one.json', 'in/rows.json')).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 1, updated: 2, missing: 1, failed: 0 },
    })
    const seen = (await tasksOf(world.app, project)).map(({ data, link }) => [link?.key, data.n])
    expect(seen.sort()).toEqual([
      ['in/one.json', 1],
      ['in/rows.json', 22],
      ['in/rows.json', 33],
      ['in/rows.json', 44],
    ])
    // And the sync has nothing to do about them.
    const after = await sync(world.app, storage.id)
    expect(after).toMatchObject({ counters: { created: 1, updated: 0, missing: 0 } })
  })
})
