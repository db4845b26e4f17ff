import { sync, updateStorage } from '@sluice/testkit/scenario.ts'
import { deleteTasks, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const update = (id: string, settings: Record<string, unknown>) => updateStorage(world.app, id, settings)

const objects = { 'a.json': '[{"n":1},{"n":2}]', 'b.json': '{"n":3}' }

describe('a change of the import method', () => {
  it.each([
    ['TASKS', 'FILES'],
    ['FILES', 'TASKS'],
  ])('from %s to %s is refused while the storage has links, and changes nothing', async (importMethod, other) => {
    const { id } = await world.storage({ objects, importMethod })
    await sync(world.app, id)
    const answer = await update(id, { importMethod: other, title: 'new' })
    expect(answer).toMatchObject({ __typename: 'ConflictError', code: 'IMPORT_METHOD_IN_USE' })
    for (const way of ['allowDuplicate', 'deleteTasks']) expect(answer.message).toContain(way)
    const { node } = await world.app.request(
      'query ($id: ID!) { node(id: $id) { ... on ImportStorage { importMethod title } } }',
      { id },
    )
    expect(node).toEqual({ importMethod, title: null })
    expect(await update(id, { importMethod, title: 'new' })).toMatchObject({ storage: { importMethod } })
  })

  it('is possible without links, and after the tasks were deleted; the next sync imports the objects again', async () => {
    const { id, project } = await world.storage({ objects, importMethod: 'FILES' })
    expect(await update(id, { importMethod: 'TASKS' })).toMatchObject({ storage: { importMethod: 'TASKS' } })
    expect(await sync(world.app, id)).toMatchObject({ counters: { created: 3 } })
    const tasks = await tasksOf(world.app, project)
    await deleteTasks(
      world.app,
      tasks.map((task) => task.id),
    )
    expect(await update(id, { importMethod: 'FILES' })).toMatchObject({ storage: { importMethod: 'FILES' } })
    expect(await sync(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 2, failed: 0 } })
  })

  it('is possible together with a change of the bucket, which deletes the links', async () => {
    const { id } = await world.storage({ objects, importMethod: 'FILES' })
    await sync(world.app, id)
    const location = world.location(await world.bucket(objects))
    expect(await update(id, { importMethod: 'TASKS', location })).toMatchObject({ storage: { importMethod: 'TASKS' } })
    expect(await sync(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
  })

  it('leads to another storage for the same location, which imports with the other method', async () => {
    const first = await world.storage({ objects, importMethod: 'FILES' })
    await sync(world.app, first.id)
    const { bucket, project } = first
    const second = await world.storage({ bucket, project, importMethod: 'TASKS', allowDuplicate: true })
    expect(await sync(world.app, second.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
  })
})
