import { sync, updateStorage } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const update = (id: string, settings: Record<string, unknown>) => updateStorage(world.app, id, settings)

const squad = JSON.stringify({ version: '2.0', data: [{ title: 'a' }, { title: 'b' }, { title: 'c' }] })

describe('a data set in one object', () => {
  it('is an issue of each sync until rowsPath says where its rows are; then each row is a task', async () => {
    const objects = { 'one.json': '{"title":"alone"}', 'squad.json': squad }
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    const issues = [{ key: 'squad.json', rowIndex: null, code: 'DATASET_IN_ONE_OBJECT', retryable: false }]
    for (const created of [1, 0]) {
      const run = await sync(world.app, storage.id)
      expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { created, failed: 1 }, issues })
      expect(run.issues[0].message).toContain('Lists: data (3 items).')
    }

    expect(await update(storage.id, { rowsPath: 'data' })).toMatchObject({ storage: { rowsPath: 'data' } })
    expect(await sync(world.app, storage.id)).toMatchObject({
      ...{ status: 'COMPLETED', counters: { created: 3, existed: 1, failed: 0 }, issues: [] },
    })
    const tasks = await tasksOf(world.app, storage.project)
    expect(tasks.map(({ data, link }) => [data.title, link?.key, link?.rowIndex])).toEqual([
      ['alone', 'one.json', null],
      ['a', 'squad.json', 0],
      ['b', 'squad.json', 1],
      ['c', 'squad.json', 2],
    ])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 0, existed: 2 } })
  })

  it('is one task with the rowsPath $', async () => {
    const storage = await world.storage({ objects: { a: squad }, importMethod: 'TASKS', rowsPath: '$' })
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 1 } })
    expect((await tasksOf(world.app, storage.project))[0]).toMatchObject({ data: JSON.parse(squad) })
  })

  it('with rows that are gone loses their tasks as missingPolicy says', async () => {
    const storage = await world.storage({
      ...{ objects: { a: squad }, importMethod: 'TASKS', rowsPath: 'data' },
      ...{ changedPolicy: 'UPDATE', missingPolicy: 'DELETE_UNANNOTATED' },
    })
    await sync(world.app, storage.id)
    await world.s3.put(storage.bucket, 'a', '{"data":[{"title":"a"},{"title":"b"}],"version":"3.0"}')
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { deleted: 1 } })
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data.title)).toEqual(['a', 'b'])
  })
})

describe('the setting rowsPath', () => {
  it.each(['$.data', 'a..b', '.a', 'a.', 'data[*]', 'data[0]', '*', '$$', 'x'.repeat(501)])(
    'refuses %j',
    async (rowsPath) => {
      const { id } = await world.storage({ objects: {}, importMethod: 'TASKS' })
      expect(await update(id, { rowsPath })).toMatchObject({
        __typename: 'ValidationError',
        fieldErrors: [{ path: 'input.rowsPath' }],
      })
    },
  )

  it.each(['$', 'data', 'a.b', 'a b.ä', '_via_img_metadata', '@graph'])(
    'accepts %j, and null and "" clear it',
    async (rowsPath) => {
      const { id } = await world.storage({ objects: {}, importMethod: 'TASKS', rowsPath })
      expect(await update(id, {})).toMatchObject({ storage: { rowsPath } })
      expect(await update(id, { rowsPath: rowsPath === '$' ? '' : null })).toMatchObject({
        storage: { rowsPath: null },
      })
    },
  )
})

describe('files of other tools', () => {
  it('whose rows have annotations without a result are imported as data', async () => {
    const createMl = [
      { image: 'a.jpg', annotations: [{ label: 'cat', coordinates: { x: 1, y: 2, width: 3, height: 4 } }] },
      { image: 'b.jpg', annotations: [] },
    ]
    const doccano = { id: 1, text: 'Ann', annotations: [{ label: 2, start_offset: 0, end_offset: 3, user: 1 }] }
    const storage = await world.storage({
      objects: { 'create-ml.json': JSON.stringify(createMl), 'doccano.jsonl': `${JSON.stringify(doccano)}\n` },
      importMethod: 'TASKS',
    })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 3, failed: 0 },
    })
    const tasks = await tasksOf(world.app, storage.project)
    expect(tasks.map(({ data, annotations }) => [data, annotations])).toEqual(
      [...createMl, doccano].map((data) => [data, []]),
    )
  })
})
