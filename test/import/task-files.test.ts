import { sync } from '@sluice/testkit/scenario.ts'
import { deleteTasks, tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('an import of task files', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  /** Syncs a bucket of these task files; the run and the tasks. */
  async function imported(objects: Record<string, string | Uint8Array>) {
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    const run = await sync(world.app, storage.id)
    return { storage, run, tasks: await tasksOf(world.app, storage.project) }
  }

  it('makes one task of an object, and one of each element of an array', async () => {
    const { run, tasks } = await imported({
      '1.json': '{"text":"alone"}',
      '2.json': '[{"text":"first"},{"text":"second"}]',
      '3.json': ' [ {"text":"only"} ] \n',
    })
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 3, created: 4, failed: 0 } })
    const rows = tasks.map(({ data, link }) => [link?.key, link?.rowIndex, data.text]).sort()
    expect(rows).toEqual([
      ['1.json', null, 'alone'],
      ['2.json', 0, 'first'],
      ['2.json', 1, 'second'],
      ['3.json', 0, 'only'],
    ])
  })

  it('imports and reads nothing the second time', async () => {
    const { storage } = await imported({ 'a.json': '{"a":1}', 'b.json': '[{"b":1},{"b":2}]', 'empty.json': '[]' })
    const reads = world.front.counts.GetObject
    const again = await sync(world.app, storage.id)
    expect(again).toMatchObject({ status: 'COMPLETED', counters: { listed: 3, existed: 3, created: 0 } })
    expect(world.front.counts.GetObject).toBe(reads)
  })

  it('detects the format from the content, not from the name', async () => {
    const { tasks } = await imported({ 'task.jpg': '{"a":1}', noextension: '[{"a":2}]' })
    expect(tasks.map(({ data }) => data.a).sort()).toEqual([1, 2])
  })

  it('reads labels, meta and allow_skip from an envelope', async () => {
    const { tasks } = await imported({
      'a.json': JSON.stringify({
        data: { image: 's3://b/k.jpg' },
        meta: { source: 'x' },
        allow_skip: false,
        predictions: [{ result: [{ v: 1 }], score: 0.5, model_version: 'm1' }],
        annotations: [
          { id: 7, result: [{ v: 2 }], lead_time: 1.5, was_cancelled: true },
          { id: 'x', result: [] },
        ],
      }),
    })
    expect(tasks).toMatchObject([
      {
        data: { image: 's3://b/k.jpg' },
        meta: { source: 'x' },
        allowSkip: false,
        predictions: [{ result: [{ v: 1 }], score: 0.5, modelVersion: 'm1' }],
        annotations: [
          { result: [{ v: 2 }], wasCancelled: true, leadTimeSeconds: 1.5, importId: '7' },
          { result: [], wasCancelled: false, leadTimeSeconds: null, importId: 'x' },
        ],
      },
    ])
  })

  it('imports a bare task whole if its field "data" is no object', async () => {
    const { tasks } = await imported({ 'a.json': '{"data":"text","id":1}' })
    expect(tasks[0]?.data).toEqual({ data: 'text', id: 1 })
  })

  it('skips a byte order mark', async () => {
    const { run, tasks } = await imported({ 'a.json': '\ufeff{"a":1}', 'b.json': '\ufeff[{"a":2}]' })
    expect(run.status).toBe('COMPLETED')
    expect(tasks).toHaveLength(2)
  })

  it('preserves the digits of big numbers up to the text of the API', async () => {
    const { storage } = await imported({
      'a.json': '{"id":12345678901234567890123,"small":-9007199254740993,"far":1e400}',
    })
    const answer = await fetch(`${world.app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${world.app.token}` },
      body: JSON.stringify({
        query: `query ($id: ID!) { project(id: $id) { tasks { edges { node { data resolvedData } } } } }`,
        variables: { id: storage.project },
      }),
    })
    const text = await answer.text()
    const data = '{"id":12345678901234567890123,"small":-9007199254740993,"far":1e400}'
    expect(text).toContain(`"data":${data}`)
    expect(text).toContain(`"resolvedData":${data}`)
  })

  it('preserves unusual text: NUL, lone surrogates, a field called __proto__', async () => {
    const { run, tasks } = await imported({
      'a.json': String.raw`{"nul":"a\u0000b","half":"\ud83d","__proto__":{"x":1},"":2}`,
      'b.json': String.raw`{"data":{},"predictions":[{"result":[],"model_version":"a\u0000b"}],"annotations":[{"result":["\u0000"],"id":"\u0000"}]}`,
    })
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 2 } })
    const [odd] = tasks.filter(({ link }) => link?.key === 'a.json')
    expect(odd?.data).toEqual(JSON.parse(String.raw`{"nul":"a\u0000b","half":"\ud83d","__proto__":{"x":1},"":2}`))
  })

  it('imports the valid rows of an array, and the rest after they are corrected', async () => {
    const rows = ['{"n":0}', '17', '{"n":2}', '{"n":3,}', '{"predictions":[]}', '{"data":{"n":5},"predictions":3}']
    const { storage, run, tasks } = await imported({ 'a.json': `[${rows.join(',')}]`, 'b.json': '{"n":9}' })
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { listed: 2, created: 3, failed: 4 } })
    expect(run.issues.map((issue: Record<string, unknown>) => [issue.key, issue.rowIndex, issue.code]).sort()).toEqual([
      ['a.json', 1, 'NOT_A_TASK'],
      ['a.json', 3, 'NOT_JSON'],
      ['a.json', 4, 'ENVELOPE_WITHOUT_DATA'],
      ['a.json', 5, 'BAD_ENVELOPE'],
    ])
    expect(tasks.map(({ data }) => data.n).sort()).toEqual([0, 2, 9])

    await world.s3.put(storage.bucket, 'a.json', '[{"n":0},{"n":1},{"n":2},{"n":3},{"n":4},{"n":5}]')
    const again = await sync(world.app, storage.id)
    expect(again).toMatchObject({ status: 'COMPLETED', counters: { listed: 2, created: 4, failed: 0 } })
    const links = (await tasksOf(world.app, storage.project)).map(({ data, link }) => [
      link?.key,
      link?.rowIndex,
      data.n,
    ])
    expect(links.sort()).toEqual([
      ['a.json', 0, 0],
      ['a.json', 1, 1],
      ['a.json', 2, 2],
      ['a.json', 3, 3],
      ['a.json', 4, 4],
      ['a.json', 5, 5],
      ['b.json', null, 9],
    ])
  })

  it('imports the one deleted task of an array again', async () => {
    const { storage, tasks } = await imported({ 'a.json': '[{"n":0},{"n":1},{"n":2}]' })
    await deleteTasks(world.app, [tasks[1]!.id])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 1, existed: 2 } })
    const back = await tasksOf(world.app, storage.project)
    expect(back.map(({ data }) => data.n)).toEqual([0, 2, 1])
  })

  it('imports an array of many more rows than a page has objects', async () => {
    const rows = Array.from({ length: 2_500 }, (_, n) => ({ n }))
    const { run, tasks } = await imported({ 'a.json': JSON.stringify(rows) })
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 1, created: 2_500 } })
    expect(tasks.map(({ data }) => data.n)).toEqual(rows.map(({ n }) => n))
    expect(tasks.at(-1)?.innerId).toBe(2_500)
  })
})
