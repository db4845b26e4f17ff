import { finished, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Storage = Awaited<ReturnType<World['storage']>>

const put = (bucket: string, key: string, body: string) => world.s3.putMany(bucket, [{ key, body }])

const remove = async (bucket: string, ...keys: string[]) => {
  for (const key of keys) {
    const answer = await fetch(`${world.s3.endpoint}/${bucket}/${key}`, { method: 'DELETE' })
    expect(answer.status).toBe(204)
  }
}

/** Whether each linked object was there, by key and row. */
async function existence({ databaseId }: Storage): Promise<Record<string, boolean>> {
  const rows = await query(
    world.app.databaseUrl,
    `select key || case when row_index < 0 then '' else '#' || row_index end as at, object_exists as is
     from import_link where storage_id = $1 order by key, row_index`,
    [databaseId],
  )
  return Object.fromEntries(rows.map(({ at, is }) => [at, is]))
}

describe('changed objects', () => {
  const connect = (changedPolicy: string, objects: Record<string, string>) =>
    world.storage({ importMethod: 'TASKS', changedPolicy, objects })

  it('with the policy IGNORE are not updated', async () => {
    const storage = await connect('IGNORE', { 'a.json': '{"n":1}' })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.json', '{"n":22}')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 1, created: 0, updated: 0 },
    })
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data)).toEqual([{ n: 1 }])
  })

  it('with the policy UPDATE replace the data and labels of their tasks; ids stay', async () => {
    const body = (n: number) =>
      JSON.stringify({ id: 7, data: { n }, annotations: [{ result: [n] }], predictions: [{ result: [n] }] })
    const storage = await connect('UPDATE', { 'a.json': body(1), 'b.json': '{"n":2}' })
    await sync(world.app, storage.id)
    const before = await tasksOf(world.app, storage.project)
    const reads = world.front.counts.GetObject!
    await put(storage.bucket, 'a.json', body(11))
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 1, created: 0, updated: 1 },
    })
    expect(world.front.counts.GetObject! - reads).toBe(1)
    const after = await tasksOf(world.app, storage.project)
    expect(after.map(({ id, innerId }) => [id, innerId])).toEqual(before.map(({ id, innerId }) => [id, innerId]))
    expect(after[0]).toMatchObject({
      data: { n: 11 },
      predictions: [{ result: [11] }],
      annotations: [{ result: [11] }],
    })
    // And are known as they are now.
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 2, updated: 0 } })
    expect(world.front.counts.GetObject! - reads).toBe(1)
  })

  it('with several rows get new rows, keep the others, and lose removed ones', async () => {
    const storage = await connect('UPDATE', { 'a.json': '[{"n":0},{"n":1},{"n":2}]' })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.json', '[{"n":0},{"n":10}]')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 0, updated: 1, existed: 1 } })
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data.n)).toEqual([0, 10, 2])
    expect(await existence(storage)).toEqual({ 'a.json#0': true, 'a.json#1': true, 'a.json': false })
    await put(storage.bucket, 'a.json', '[{"n":0},{"n":10},{"n":20},{"n":30}]')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 2, updated: 0, existed: 2 } })
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data.n)).toEqual([0, 10, 2, 20, 30])
    expect(Object.values(await existence(storage)).sort()).toEqual([false, true, true, true, true])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 0, updated: 0, existed: 1 } })
  })

  it('with the policy UPDATE: an array that becomes a single object keeps the task of its first row, and the next sync changes nothing', async () => {
    const storage = await connect('UPDATE', { 'a.json': '[{"n":0},{"n":1}]' })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.json', '{"n":5}')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 0, updated: 1, missing: 1 },
    })
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data.n)).toEqual([5, 1])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 0, updated: 0, existed: 1 } })
  })

  it('with the policy REPORT are issues, once for each sync, and their tasks stay', async () => {
    const storage = await connect('REPORT', { 'a.json': '{"n":1}', 'b.json': '{"n":2}' })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'b.json', '{"n":22}')
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { existed: 1, failed: 1 } })
    expect(run.issues).toMatchObject([{ key: 'b.json', code: 'OBJECT_CHANGED', retryable: false }])
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data.n)).toEqual([1, 2])
  })

  it('imported with the method FILES update their links; their tasks need no change', async () => {
    const storage = await world.storage({ importMethod: 'FILES', changedPolicy: 'UPDATE', objects: { a: 'x' } })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a', 'longer')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { updated: 1, created: 0 } })
    const [link] = await query(world.app.databaseUrl, 'select size::int from import_link where storage_id = $1', [
      storage.databaseId,
    ])
    expect(link).toEqual({ size: 6 })
  })
})

describe('missing objects', () => {
  const objects = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`f/${n}.jpg`, 'x']))

  it('are flagged on their links, and unflagged when they are back', async () => {
    const storage = await world.storage({ objects })
    await sync(world.app, storage.id)
    await remove(storage.bucket, 'f/0.jpg', 'f/5.jpg', 'f/9.jpg')
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { existed: 7, missing: 3, deleted: 0 } })
    const gone = Object.entries(await existence(storage)).flatMap(([key, is]) => (is ? [] : [key]))
    expect(gone).toEqual(['f/0.jpg', 'f/5.jpg', 'f/9.jpg'])
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { missing: 0 } })
    await put(storage.bucket, 'f/5.jpg', 'x')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 8, created: 0, missing: 0 } })
    expect((await existence(storage))['f/5.jpg']).toBe(true)
  })

  it('with several rows are flagged row by row', async () => {
    const storage = await world.storage({ importMethod: 'TASKS', objects: { 'a.json': '[{},{}]', 'b.json': '{}' } })
    await sync(world.app, storage.id)
    await remove(storage.bucket, 'a.json')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 1, missing: 2 } })
    expect(await existence(storage)).toEqual({ 'a.json#0': false, 'a.json#1': false, 'b.json': true })
    await put(storage.bucket, 'a.json', '[{},{}]')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 0, missing: 0 } })
    expect(Object.values(await existence(storage))).toEqual([true, true, true])
  })

  it('with the policy KEEP change nothing', async () => {
    const storage = await world.storage({ objects, missingPolicy: 'KEEP' })
    await sync(world.app, storage.id)
    await remove(storage.bucket, 'f/1.jpg')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { missing: 0 } })
    expect((await existence(storage))['f/1.jpg']).toBe(true)
  })

  it('with the policy DELETE_UNANNOTATED lose the tasks without annotations', async () => {
    const annotated = '{"data":{"n":2},"annotations":[{"result":[]}]}'
    const storage = await world.storage({
      ...{ importMethod: 'TASKS', missingPolicy: 'DELETE_UNANNOTATED' },
      objects: { 'a.json': '{"n":1}', 'b.json': annotated, 'c.json': `[{"n":3},${annotated}]`, 'd.json': '{"n":4}' },
    })
    await sync(world.app, storage.id)
    await remove(storage.bucket, 'a.json', 'b.json', 'c.json')
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 1, missing: 4, deleted: 2 },
    })
    expect((await tasksOf(world.app, storage.project)).map(({ data }) => data.n).sort()).toEqual([2, 2, 4])
    expect(await existence(storage)).toEqual({ 'b.json': false, 'c.json#1': false, 'd.json': true })
    await put(storage.bucket, 'c.json', `[{"n":3},${annotated}]`)
    await put(storage.bucket, 'a.json', '{"n":1}')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 2 } })
    expect(await existence(storage)).toMatchObject({ 'a.json': true, 'c.json#0': true, 'c.json#1': true })
  })

  it('above maxMissing are not changed, and the sweep reports TOO_MANY_MISSING', async () => {
    for (const [maxMissing, limit] of [
      [{ count: 2 }, 'the limit of 2'],
      [{ share: 0.25 }, 'the limit of 25 %'],
    ] as const) {
      const storage = await world.storage({ objects, maxMissing, missingPolicy: 'DELETE_UNANNOTATED' })
      await sync(world.app, storage.id)
      await remove(storage.bucket, 'f/1.jpg', 'f/2.jpg', 'f/3.jpg')
      const run = await sync(world.app, storage.id)
      expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { missing: 0, deleted: 0, failed: 1 } })
      expect(run.issues).toMatchObject([{ key: null, code: 'TOO_MANY_MISSING' }])
      expect(run.issues[0].message).toContain('3 of 10')
      expect(run.issues[0].message).toContain(limit)
      expect(Object.values(await existence(storage)).every(Boolean)).toBe(true)
      await put(storage.bucket, 'f/1.jpg', 'x')
      expect(await sync(world.app, storage.id)).toMatchObject({ counters: { deleted: 2 } })
    }
  })

  it('are not searched if the listing was interrupted', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 2_500 })
    const storage = await world.storage({ bucket })
    await sync(world.app, storage.id)
    await remove(bucket, '00000001.bin')
    const fault = world.front.fail({
      ...{ status: 403, code: 'AccessDenied', times: 100 },
      match: (request) => request.bucket === bucket && request.url.includes('start-after='),
    })
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'FAILED', counters: { missing: 0 } })
    expect((await existence(storage))['00000001.bin']).toBe(true)
    fault.release()
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { missing: 1 } })
    expect((await existence(storage))['00000001.bin']).toBe(false)
  })

  it('do not include objects that a server lists out of order', async () => {
    const page = (keys: string[], more: boolean) => ({
      status: 200,
      headers: { 'content-type': 'application/xml' },
      body: `<ListBucketResult><Name>b</Name><IsTruncated>${more}</IsTruncated>${keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('')}</ListBucketResult>`,
    })
    const storage = await world.storage({ objects: {}, missingPolicy: 'DELETE_UNANNOTATED' })
    const list = (match: (url: string) => boolean, answer: ReturnType<typeof page>) =>
      world.front.fail({
        ...{ times: Infinity, answer },
        match: ({ operation, bucket, url }) => operation === 'ListObjectsV2' && bucket === storage.bucket && match(url),
      })
    // Folder by folder, as some servers do: "img-2/" sorts before "img/".
    const faults = [
      list((url) => url.includes('start-after=img-2'), page(['jpg/1'], false)),
      list((url) => url.includes('start-after=img'), page(['img-2/1'], true)),
      list(() => true, page(['img/1', 'img/2'], true)),
    ]
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 4 } })
    const again = await sync(world.app, storage.id)
    expect(again).toMatchObject({ status: 'COMPLETED', counters: { existed: 4, missing: 0, deleted: 0 } })
    for (const fault of faults) fault.release()
  })

  it('do not include objects that the filter or the folder level excludes', async () => {
    const storage = await world.storage({ objects: { 'a.jpg': 'x', 'b.txt': 'x', 'sub/c.jpg': 'x' } })
    await sync(world.app, storage.id)
    await world.app.request(
      `mutation ($id: ID!) { updateImportStorage(input: { id: $id, skipCheck: true, recursive: false, regexFilter: ".*jpg" }) {
        __typename ... on Error { message } } }`,
      { id: storage.id },
    )
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { missing: 0 } })
    expect(Object.values(await existence(storage))).toEqual([true, true, true])
  })
})

describe('a retry', () => {
  it('reads only the failed objects again, and imports those that work now', async () => {
    const good = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`good-${n}.json`, '{}']))
    const storage = await world.storage({
      importMethod: 'TASKS',
      objects: { ...good, 'a.json': 'no', 'b.json': '[{"n":1},7,{"n":3}]', 'c.json': 'no' },
    })
    const first = await sync(world.app, storage.id)
    expect(first).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { created: 22, failed: 3 } })
    await put(storage.bucket, 'a.json', '{"n":0}')
    await put(storage.bucket, 'b.json', '[{"n":1},{"n":2},{"n":3}]')
    await remove(storage.bucket, 'c.json')
    const before = { ...world.front.counts }
    const { retryFailed } = await world.app.request(
      'mutation ($id: ID!) { retryFailed(runId: $id) { ... on RetryFailedSuccess { run { id kind } } ... on Error { message } } }',
      { id: first.id },
    )
    expect(retryFailed.run.kind).toBe('RETRY')
    const retry = await finished(world.app, retryFailed.run.id)
    expect(retry).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 3, created: 2, existed: 2, failed: 1, missing: 0 },
    })
    expect(retry.issues).toMatchObject([{ key: 'c.json', code: 'OBJECT_MISSING' }])
    // Each key is looked up, and what exists is read.
    expect(world.front.counts.HeadObject! - (before.HeadObject ?? 0)).toBe(3)
    expect(world.front.counts.GetObject! - before.GetObject!).toBe(2)
  })
})
