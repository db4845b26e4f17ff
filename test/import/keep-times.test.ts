import { annotate } from '@sluice/testkit/annotate.ts'
import { createClient } from '@sluice/testkit/client.ts'
import { sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { type SeenTask, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileTime } from '../../src/task-files/file-time.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const [made, changed] = ['2020-01-02T03:04:05.678901Z', '2021-02-03T04:05:06.789012+02:00']
const stored = ['2020-01-02 03:04:05.678901+00', '2021-02-03 02:05:06.789012+00']
const times = { created_at: made, updated_at: changed }
const task = (more: object = times) => ({
  data: { n: 1 },
  ...more,
  annotations: [{ result: [], ...more }],
  predictions: [{ result: [], ...more }],
})

/** The times of what was imported, as the database has them. */
async function timesOf({ databaseId }: { databaseId: number }) {
  const [row] = await query(
    world.app.databaseUrl,
    `select t.created_at::text as task_created, t.updated_at::text as task_updated, a.created_at::text as annotation_created,
       a.updated_at::text as annotation_updated, p.created_at::text as prediction_created
     from import_link l join task t on t.id = l.task_id left join annotation a on a.task_id = t.id
       left join prediction p on p.task_id = t.id where l.storage_id = $1`,
    [databaseId],
  )
  return row
}

const connect = (body: string | Uint8Array, settings: Record<string, unknown> = {}) =>
  world.storage({ importMethod: 'TASKS', objects: { a: body }, ...settings })

describe('created_at and updated_at of a task file', () => {
  const parquet = new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'data', data: [{ n: 1 }], type: 'JSON' },
        { name: 'created_at', data: [made], type: 'STRING' },
        { name: 'updated_at', data: [changed], type: 'STRING' },
        { name: 'annotations', data: [task().annotations], type: 'JSON' },
        { name: 'predictions', data: [task().predictions], type: 'JSON' },
      ],
    }),
  )

  it.each<[string, string | Uint8Array]>([
    ['a JSON object', JSON.stringify(task())],
    ['a JSON array', JSON.stringify([task()])],
    ['JSON Lines', `${JSON.stringify(task())}\n${JSON.stringify({ n: 2 })}\n`],
    ['Parquet', parquet],
    ['an exported annotation', JSON.stringify({ id: 1, result: [], ...times, task: { id: 1, project: 1, ...task() } })],
  ])('are stored for tasks, annotations and predictions, to the microsecond: %s', async (_form, body) => {
    const storage = await connect(body)
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED' })
    expect(await timesOf(storage)).toEqual({
      ...{ task_created: stored[0], task_updated: stored[1] },
      ...{ annotation_created: stored[0], annotation_updated: stored[1], prediction_created: stored[0] },
    })
  })

  it('are the time of the import without keepTimes, even if they are invalid', async () => {
    const body = JSON.stringify([task(), task({ created_at: 'yesterday', updated_at: {} })])
    const storage = await connect(body, { keepTimes: false })
    const before = new Date()
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 2 } })
    for (const time of Object.values(await timesOf(storage))) {
      expect(new Date(time as string).getTime()).toBeGreaterThanOrEqual(before.getTime() - 60_000)
    }
  })

  it('are both created_at if updated_at is absent', async () => {
    const storage = await connect(JSON.stringify(task({ created_at: made })))
    await sync(world.app, storage.id)
    expect(await timesOf(storage)).toMatchObject({ task_updated: stored[0], annotation_updated: stored[0] })
  })

  it.each(['yesterday', '2026-02-30T00:00:00Z', '', '1500-01-01', '12026-01-01', true, [], {}, 1e300])(
    'make the row an issue BAD_ENVELOPE if they are invalid (%j), and its neighbours are imported',
    async (created_at) => {
      const storage = await connect(JSON.stringify([task(), { data: {}, annotations: [{ result: [], created_at }] }]))
      const run = await sync(world.app, storage.id)
      expect(run).toMatchObject({
        ...{ status: 'COMPLETED_WITH_ERRORS', counters: { created: 1, failed: 1 } },
        issues: [{ rowIndex: 1, code: 'BAD_ENVELOPE' }],
      })
      expect(run.issues[0].message).toContain('"created_at" of an annotation')
      expect(run.issues[0].message).toContain('keepTimes')
    },
  )

  it('are data if they are inside "data" or in a task without an envelope', async () => {
    const storage = await connect(JSON.stringify({ created_at: 'yesterday', n: 1 }))
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 1 } })
  })

  it('have a setting (keepTimes), which is true for storages that existed before it', async () => {
    const read = (id: string) =>
      world.app.request('query ($id: ID!) { node(id: $id) { ... on ImportStorage { keepTimes } } }', { id })
    const storage = await connect('{}')
    expect(await read(storage.id)).toEqual({ node: { keepTimes: true } })
    await world.app.request(
      'mutation ($id: ID!) { updateImportStorage(input: { id: $id, skipCheck: true, keepTimes: false }) { __typename } }',
      { id: storage.id },
    )
    expect(await read(storage.id)).toEqual({ node: { keepTimes: false } })
    const [column] = await query(
      world.app.databaseUrl,
      `select column_default as value from information_schema.columns where table_name = 'storage' and column_name = 'keep_times'`,
    )
    expect(column.value).toBe('true')
  })
})

describe('a time of a file', () => {
  it.each([
    ['2026-02-03', '2026-02-03T00:00:00.000000Z'],
    ['2026-02-03 04:05', '2026-02-03T04:05:00.000000Z'],
    ['2026-02-03T04:05:06', '2026-02-03T04:05:06.000000Z'],
    ['2026-02-03T04:05:06.123456789Z', '2026-02-03T04:05:06.123456Z'],
    ['2026-02-03T04:05:06-0330', '2026-02-03T04:05:06.000000-03:30'],
    ['2026-02-03 04:05:06.5 +02', '2026-02-03T04:05:06.500000+02:00'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000000Z'],
    [1_600_000_000, '2020-09-13T12:26:40.000Z'],
    [1_600_000_000.5, '2020-09-13T12:26:40.500Z'],
    [1_600_000_000_000, '2020-09-13T12:26:40.000Z'],
    [0, '1970-01-01T00:00:00.000Z'],
  ])('%j is %s', (value, time) => {
    expect(fileTime(value)).toBe(time)
  })

  it.each([
    '2023-02-29',
    '2026-13-01',
    '2026-00-01',
    '2026-01-01T25:00:00Z',
    '2026-01-01T00:00:00+99:00',
    '03/02/2026',
    'now',
    -1e12,
    null,
  ])('%j is no time', (value) => {
    expect(fileTime(value)).toBeUndefined()
  })
})

describe('completed_by of a file', () => {
  it.each(['admin', 'token:1', { id: 1 }, { email: 'admin' }, 1, 'ada'])(
    '%j identifies no token of this server: author is null, and is the token only for annotations that the token saves',
    async (completed_by) => {
      const author = 'token:1'
      const annotation = { result: [], completed_by, author, completed_by_id: 1 }
      const storage = await connect(JSON.stringify({ data: {}, annotations: [annotation], author }))
      await sync(world.app, storage.id)
      const { project } = await world.app.request(
        `query ($id: ID!) { project(id: $id) { tasks(first: 1) { edges { node { id annotations { completedBy author } } } } } }`,
        { id: storage.project },
      )
      const [{ node: task }] = project.tasks.edges
      expect(task.annotations).toMatchObject([{ author: null }])
      await annotate(world.app, [task.id])
      const { node } = await world.app.request(
        'query ($id: ID!) { node(id: $id) { ... on Task { annotations { completedBy author } } } }',
        { id: task.id },
      )
      expect(node.annotations[1]).toEqual({ completedBy: 'admin', author: 'admin' })
    },
  )

  it('that names a token differs from that token, whose annotations have its id', async () => {
    const { createApiToken } = await world.app.request(
      'mutation { createApiToken(name: "ada") { ... on CreateApiTokenSuccess { newToken { token apiToken { id } } } } }',
    )
    const { token, apiToken } = createApiToken.newToken
    const storage = await connect(JSON.stringify({ data: {}, annotations: [{ result: [], completed_by: 'ada' }] }))
    await sync(world.app, storage.id)
    const [{ id }] = (await tasksOf(world.app, storage.project)) as [SeenTask]
    const ada = createClient(world.app.url, token)
    await annotate(ada, [id])
    await ada.close()
    const { node } = await world.app.request(
      'query ($id: ID!) { node(id: $id) { ... on Task { annotations { completedBy author } } } }',
      { id },
    )
    expect(node.annotations).toEqual([
      { completedBy: 'ada', author: null },
      { completedBy: 'ada', author: apiToken.id },
    ])
  })
})
