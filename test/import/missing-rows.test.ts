import { gzipSync } from 'node:zlib'
import { annotate } from '@sluice/testkit/annotate.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, finished, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { kindNames } from '@sluice/testkit/storage-kinds.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

type Body = string | Uint8Array
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)
const lines = (count: number) =>
  numbers(count)
    .map((n) => `{"n":${n}}\n`)
    .join('')

/** A file with rows `{ n: 0 }`, `{ n: 1 }` …, by its name. */
const files: Record<string, (rows: number) => Body> = {
  'a.json': (rows) => JSON.stringify(numbers(rows).map((n) => ({ n }))),
  'a.jsonl': lines,
  'a.csv': (rows) => `n\n${numbers(rows).join('\n')}\n`,
  'a.jsonl.gz': (rows) => gzipSync(lines(rows)),
  'a.parquet': (rows) =>
    new Uint8Array(
      parquetWriteBuffer({ columnData: [{ name: 'n', data: numbers(rows), type: 'INT32' }], rowGroupSize: 60 }),
    ),
}

const put = (bucket: string, key: string, body: Body) => world.s3.putMany(bucket, [{ key, body }])

const connect = (objects: Record<string, Body>, settings: Record<string, unknown> = {}) =>
  world.storage({ importMethod: 'TASKS', changedPolicy: 'UPDATE', objects, ...settings })

type Connected = Awaited<ReturnType<typeof connect>>

/** Number of tasks in the project, and of links that are flagged. */
async function state({ project, databaseId }: Connected) {
  const [row] = await query(
    world.app.databaseUrl,
    `select (select count(*)::int from task where project_id = $1) as tasks,
       (select count(*)::int from import_link where storage_id = $2 and not object_exists) as flagged`,
    [numberOf(project), databaseId],
  )
  return row
}

const update = (id: string, settings: string) =>
  world.app.request(
    `mutation ($id: ID!) { updateImportStorage(input: { id: $id, skipCheck: true, ${settings} }) {
      __typename ... on Error { message } } }`,
    { id },
  )

async function dryRun(id: string) {
  const { syncStorage } = await world.app.request(
    `mutation ($id: ID!) { syncStorage(input: { storageId: $id, dryRun: true }) {
      ... on SyncStorageSuccess { run { id } } ... on Error { message } } }`,
    { id },
  )
  return finished(world.app, syncStorage.run.id)
}

describe.each(Object.keys(files))('rows that the changed file %s no longer contains', (name) => {
  const body = files[name]!

  it('are flagged and counted as missing (FLAG), once', async () => {
    const storage = await connect({ [name]: body(200) })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 200, missing: 0 } })
    await put(storage.bucket, name, body(150))
    expect(await dryRun(storage.id)).toMatchObject({ counters: { updated: 0, existed: 150, missing: 50, deleted: 0 } })
    expect(await state(storage)).toEqual({ tasks: 200, flagged: 0 })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { updated: 0, existed: 150, created: 0, missing: 50, deleted: 0 },
    })
    expect(await state(storage)).toEqual({ tasks: 200, flagged: 50 })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 1, missing: 0, updated: 0 } })
    await put(storage.bucket, name, body(201))
    expect(await sync(world.app, storage.id)).toMatchObject({
      counters: { updated: 0, existed: 200, created: 1, missing: 0 },
    })
    expect(await state(storage)).toEqual({ tasks: 201, flagged: 0 })
  })

  it('lose their tasks unless these are annotated (DELETE_UNANNOTATED)', async () => {
    const storage = await connect({ [name]: body(200) }, { missingPolicy: 'DELETE_UNANNOTATED' })
    await sync(world.app, storage.id)
    const tasks = await tasksOf(world.app, storage.project)
    await annotate(world.app, [tasks[0]!.id, tasks[199]!.id])
    await put(storage.bucket, name, body(150))
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { existed: 150, missing: 50, deleted: 49 },
    })
    expect(await state(storage)).toEqual({ tasks: 151, flagged: 1 })
    expect((await tasksOf(world.app, storage.project)).at(-1)).toMatchObject({ id: tasks[199]!.id })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { missing: 0, deleted: 0, existed: 1 } })
  })
})

describe('rows that a changed file no longer contains', () => {
  it.each([
    [{ count: 49 }, 'the limit of 49'],
    [{ share: 0.24 }, 'the limit of 24 %'],
  ])(
    'beyond maxMissing %j stay until the limit is raised, which needs no further change',
    async (maxMissing, limit) => {
      const storage = await connect(
        { 'a.jsonl': lines(200), 'b.json': '{}' },
        { missingPolicy: 'DELETE_UNANNOTATED', maxMissing },
      )
      await sync(world.app, storage.id)
      await put(storage.bucket, 'a.jsonl', lines(150))
      for (const existed of [151, 2]) {
        const run = await sync(world.app, storage.id)
        expect(run).toMatchObject({
          status: 'COMPLETED_WITH_ERRORS',
          counters: { updated: 0, existed, missing: 0, deleted: 0, failed: 1 },
        })
        expect(run.issues).toMatchObject([{ key: null, code: 'TOO_MANY_MISSING' }])
        expect(run.issues[0].message).toContain('50 of 201 imported rows')
        expect(run.issues[0].message).toContain(limit)
      }
      expect(await state(storage)).toEqual({ tasks: 201, flagged: 0 })
      await update(storage.id, 'maxMissing: { count: 50 }')
      expect(await sync(world.app, storage.id)).toMatchObject({ counters: { updated: 0, missing: 50, deleted: 50 } })
      expect(await state(storage)).toEqual({ tasks: 151, flagged: 0 })
    },
  )

  it('are unchanged while the policy is KEEP, and are found after it becomes FLAG', async () => {
    const storage = await connect({ 'a.jsonl': lines(20) }, { missingPolicy: 'KEEP' })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.jsonl', lines(15))
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 15, missing: 0 } })
    expect(await state(storage)).toEqual({ tasks: 20, flagged: 0 })
    await update(storage.id, 'missingPolicy: FLAG')
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { updated: 0, missing: 5 } })
    expect(await state(storage)).toEqual({ tasks: 20, flagged: 5 })
  })

  it('stay missing when their file vanishes and comes back unchanged', async () => {
    const storage = await connect({ 'a.jsonl': lines(20), b: '{}' })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.jsonl', lines(15))
    await sync(world.app, storage.id)
    const hides = world.front.fail({
      times: 1,
      match: ({ operation, bucket }) => operation === 'ListObjectsV2' && bucket === storage.bucket,
      answer: {
        status: 200,
        headers: { 'content-type': 'application/xml' },
        body: '<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>',
      },
    })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { listed: 0, missing: 16 } })
    hides.release()
    await sync(world.app, storage.id)
    expect(await state(storage)).toEqual({ tasks: 21, flagged: 5 })
  })

  it('are found by a sync that may import only some objects (maxObjects)', async () => {
    const storage = await connect({ 'a.jsonl': lines(20) }, { filters: { maxObjects: 1 } })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.jsonl', lines(15))
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 15, missing: 5 } })
  })

  it('count together with missing objects, and one limit applies to both', async () => {
    const storage = await connect({ 'a.jsonl': lines(20), 'b.json': '{}' }, { maxMissing: { count: 5 } })
    await sync(world.app, storage.id)
    await put(storage.bucket, 'a.jsonl', lines(15))
    await fetch(`${world.s3.endpoint}/${storage.bucket}/b.json`, { method: 'DELETE' })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ counters: { missing: 0 }, issues: [{ code: 'TOO_MANY_MISSING' }] })
    expect(run.issues[0].message).toContain('1 of 2 imported objects')
    await update(storage.id, 'maxMissing: { count: 6 }')
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { missing: 6 } })
  })
})

describe('rows of a changed file that cannot be read to its end are not missing', () => {
  const cut = (body: Body, length: number) => Buffer.from(body as Uint8Array).subarray(0, length)
  it.each<[string, string, Body, Body]>([
    ['whose JSON breaks off', 'a.json', files['a.json']!(20), (files['a.json']!(15) as string).slice(0, -1)],
    ['with a row that is no JSON', 'a.jsonl', lines(20), `${lines(15)}{"n":\n`],
    ['with a row that is no task', 'a.json', files['a.json']!(20), '[{"n":0},7]'],
    ['whose gzip breaks off', 'a.jsonl.gz', gzipSync(lines(20)), cut(gzipSync(lines(5_000)), 2_000)],
    [
      'with a row of CSV that has too few fields',
      'a.csv',
      `a,b\n${'1,2\n'.repeat(20)}`,
      `a,b\n${'1,2\n'.repeat(5)}1\n`,
    ],
    ['whose Parquet is damaged', 'a.parquet', files['a.parquet']!(200), cut(files['a.parquet']!(150), 300)],
    [
      'that became a picture',
      'a.json',
      files['a.json']!(20),
      Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0x4a, 0x46]),
    ],
  ])('a file %s', async (_what, name, before, after) => {
    const storage = await connect({ [name]: before }, { missingPolicy: 'DELETE_UNANNOTATED' })
    await sync(world.app, storage.id)
    const { tasks } = await state(storage)
    await put(storage.bucket, name, after)
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { missing: 0, deleted: 0 } })
    expect((await state(storage)).tasks).toBeGreaterThanOrEqual(tasks)
  })
})

describe('an object whose whole content became another kind', () => {
  const kinds: Record<string, Body> = {
    'one task': '{"n":-1}',
    'an array': files['a.json']!(20),
    'JSON Lines': lines(25),
    Parquet: files['a.parquet']!(130),
  }
  const pairs = Object.keys(kinds).flatMap((from) =>
    Object.keys(kinds).flatMap((to) =>
      from === to || (from === 'an array' && to === 'JSON Lines') ? [] : [[from, to]],
    ),
  )
  const rowsOf: Record<string, number> = { 'one task': 1, 'an array': 20, 'JSON Lines': 25, Parquet: 130 }

  it.each(pairs as [string, string][])(
    '(%s → %s) keeps only the rows of the new kind, and the next sync changes nothing',
    async (from, to) => {
      const storage = await connect({ a: kinds[from]! }, { missingPolicy: 'DELETE_UNANNOTATED' })
      await sync(world.app, storage.id)
      await put(storage.bucket, 'a', kinds[to]!)
      await sync(world.app, storage.id)
      expect(await state(storage)).toEqual({ tasks: rowsOf[to], flagged: 0 })
      expect(
        (await tasksOf(world.app, storage.project)).map(({ data }) => Number(data.n)).sort((a, b) => a - b),
      ).toEqual(to === 'one task' ? [-1] : numbers(rowsOf[to]!))
      expect(await sync(world.app, storage.id)).toMatchObject({
        counters: { existed: 1, created: 0, updated: 0, missing: 0, bytesRead: 0 },
      })
    },
  )

  it.each(['KEEP', 'FLAG'])('and changes back is the same task again (%s)', async (missingPolicy) => {
    const storage = await connect({ a: '{"n":-1}' }, { missingPolicy })
    await sync(world.app, storage.id)
    const [one] = await tasksOf(world.app, storage.project)
    await put(storage.bucket, 'a', '[{"n":0},{"n":1}]')
    const first = await sync(world.app, storage.id)
    expect(first).toMatchObject({ counters: { created: 1, updated: 1, missing: 0 } })
    // What is linked to an earlier kind does not make it look changed for ever.
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 1, updated: 0, bytesRead: 0 } })
    await put(storage.bucket, 'a', '{"n":-2}')
    const second = await sync(world.app, storage.id)
    expect(second).toMatchObject({ counters: { created: 0, updated: 1, missing: missingPolicy === 'KEEP' ? 0 : 1 } })
    expect((await tasksOf(world.app, storage.project)).find(({ id }) => id === one!.id)?.data).toEqual({ n: -2 })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { existed: 1, updated: 0, bytesRead: 0 } })
  })
})

describe.each(kindNames)('in %s, rows that a changed file no longer contains', (kind) => {
  it('lose their tasks (DELETE_UNANNOTATED)', async () => {
    const place = await startKindWorld(kind)
    try {
      const project = await createProject(place.app)
      await place.put('in/a.jsonl', lines(20))
      const { storage } = await createStorage(place.app, {
        ...{ projectId: project, location: place.location, skipCheck: true, importMethod: 'TASKS' },
        ...{ changedPolicy: 'UPDATE', missingPolicy: 'DELETE_UNANNOTATED', filters: { include: ['**/a.jsonl'] } },
      })
      expect(await sync(place.app, storage.id)).toMatchObject({ counters: { created: 20 } })
      await place.put('in/a.jsonl', lines(15))
      expect(await sync(place.app, storage.id)).toMatchObject({
        status: 'COMPLETED',
        counters: { existed: 15, missing: 5, deleted: 5 },
      })
      expect(await tasksOf(place.app, project)).toHaveLength(15)
      await place.put('in/a.jsonl', lines(20))
      expect(await sync(place.app, storage.id)).toMatchObject({ counters: { existed: 15, created: 5, missing: 0 } })
    } finally {
      await place.stop()
    }
  })
})
