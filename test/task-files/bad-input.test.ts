import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Issue = [rowIndex: number | null, code: string]

describe('bad input', () => {
  let world: World
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-bad-input-'))
    world = await startWorld({ LOCAL_FILES_ROOT: folder })
  })
  afterAll(async () => {
    await world?.stop()
    await rm(folder, { recursive: true })
  })

  /** Syncs a bucket with this one object. */
  async function imported(body: string | Uint8Array) {
    const storage = await world.storage({ objects: { key: body }, importMethod: 'TASKS' })
    const run = await sync(world.app, storage.id)
    const tasks = await tasksOf(world.app, storage.project)
    const issues: Issue[] = run.issues.map((issue: { rowIndex: number | null; code: string }) => [
      issue.rowIndex,
      issue.code,
    ])
    return { run, tasks, issues: issues.sort(([a], [b]) => (a ?? -1) - (b ?? -1)) }
  }

  const deep = `{"n":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const large = `{"n":"${'x'.repeat(64 * 2 ** 20)}"}`
  it.for<{ what: string; body: string | Uint8Array; rows: number[]; issues: Issue[] }>([
    {
      what: 'garbage in an array',
      body: '[{"n":0},{"n":1},%$§,"x',
      rows: [0, 1],
      issues: [
        [null, 'NOT_JSON'],
        [2, 'NOT_JSON'],
      ],
    },
    { what: 'an array that ends in a row', body: '[{"n":0},{"n":1},{"n":', rows: [0, 1], issues: [[null, 'NOT_JSON']] },
    { what: 'a comma too many', body: '[{"n":0},{"n":1},]', rows: [0, 1], issues: [[2, 'NOT_JSON']] },
    {
      what: 'scalars for rows',
      body: '[{"n":0},1,"x",null,true,[],{"n":6}]',
      rows: [0, 6],
      issues: [
        [1, 'NOT_A_TASK'],
        [2, 'NOT_A_TASK'],
        [3, 'NOT_A_TASK'],
        [4, 'NOT_A_TASK'],
        [5, 'NOT_A_TASK'],
      ],
    },
    { what: 'a scalar alone', body: '17', rows: [], issues: [[null, 'NOT_JSON']] },
    {
      what: 'a row nested 100,000 levels deep',
      body: `{"n":0}\n${deep}\n{"n":2}`,
      rows: [0, 2],
      issues: [[1, 'NOT_A_TASK']],
    },
    {
      what: 'an element nested 100,000 levels deep',
      body: `[{"n":0},${deep},{"n":2}]`,
      rows: [0, 2],
      issues: [[1, 'NOT_A_TASK']],
    },
    {
      what: 'a row of more than 64 MiB',
      body: gzipSync(`{"n":0}\n${large}\n{"n":2}`),
      rows: [0, 2],
      issues: [[1, 'TASK_TOO_LARGE']],
    },
    {
      what: 'an element of more than 64 MiB',
      body: gzipSync(`[{"n":0},${large},{"n":2}]`),
      rows: [0, 2],
      issues: [[1, 'TASK_TOO_LARGE']],
    },
    { what: 'an object of more than 64 MiB', body: gzipSync(large), rows: [], issues: [[null, 'TASK_TOO_LARGE']] },
    { what: 'a NUL byte in a row', body: '{"n":0}\n{"n":"\0"}\n{"n":2}', rows: [0, 2], issues: [[1, 'NOT_JSON']] },
    {
      what: 'a row that is not UTF-8',
      body: Buffer.concat([Buffer.from('{"n":0}\n{"n":"'), Buffer.from([0xe9]), Buffer.from('"}\n{"n":2}')]),
      rows: [0, 2],
      issues: [[1, 'NOT_UTF8']],
    },
    { what: 'UTF-16', body: Buffer.from('\ufeff{"n":0}', 'utf16le'), rows: [], issues: [[null, 'NOT_UTF8']] },
    { what: 'a gzip without content', body: gzipSync(''), rows: [], issues: [[null, 'NOT_JSON']] },
    {
      what: 'a gzip that ends early',
      body: gzipSync('{"n":0}\n').subarray(0, 20),
      rows: [],
      issues: [[null, 'BROKEN_GZIP']],
    },
    { what: 'a zip', body: Buffer.from('504b0304140000000800', 'hex'), rows: [], issues: [[null, 'BINARY_IN_TASKS']] },
    { what: 'a PDF', body: '%PDF-1.7\n1 0 obj', rows: [], issues: [[null, 'BINARY_IN_TASKS']] },
    {
      what: 'labels inside of data',
      body: '{"data":{"n":0,"annotations":[{"result":[]}]}}',
      rows: [],
      issues: [[null, 'LABELS_IN_DATA']],
    },
  ])('($what) is reported row by row, and does not affect other rows', async ({ body, rows, issues }) => {
    const found = await imported(body)
    expect(found.issues).toEqual(issues)
    expect(found.tasks.map(({ data }) => data.n)).toEqual(rows)
    expect(found.run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', failure: null })
  })

  it.for<{ what: string; body: string | Uint8Array; data: unknown[] }>([
    { what: 'an empty array', body: ' [ ] \n', data: [] },
    { what: 'lines that end with CR LF', body: '\ufeff{"n":0}\r\n\r\n{"n":1}\r\n', data: [{ n: 0 }, { n: 1 }] },
    {
      what: 'several gzip members',
      body: Buffer.concat([gzipSync('{"n":0}\n{"n"'), gzipSync(':1}\n')]),
      data: [{ n: 0 }, { n: 1 }],
    },
    { what: 'keys that come twice', body: '{"n":0,"m":1,"n":2}', data: [{ n: 2, m: 1 }] },
    {
      what: 'half surrogates and NUL',
      body: String.raw`{"\ud83d":"\udc00","\u0000":"a\u0000b"}`,
      data: [{ '\ud83d': '\udc00', '\0': 'a\0b' }],
    },
  ])('that only looks bad is imported: $what', async ({ body, data }) => {
    const found = await imported(body)
    expect(found.run).toMatchObject({ status: 'COMPLETED', issues: [] })
    expect(found.tasks.map((task) => task.data)).toEqual(data)
  })

  it('has an issue that recommends FILES if it is a media file', async () => {
    for (const body of [Buffer.from('ffd8ffe000104a464946', 'hex'), 'just some words', '<svg/>']) {
      expect((await imported(body)).run.issues).toMatchObject([{ message: expect.stringContaining('FILES') }])
    }
  })

  it('with NUL and lone surrogates in a task is preserved', async () => {
    const odd = String.raw`"\u0000\ud83d"`
    const { run, tasks } = await imported(
      `[{"data":{"n":${odd}},"meta":{"m":${odd}},"predictions":[{"result":[${odd}],"model_version":${odd}}],"annotations":[{"result":[${odd}],"id":${odd}}]},{"n":1}]`,
    )
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 2 } })
    expect(tasks[0]).toMatchObject({
      data: { n: '\0\ud83d' },
      meta: { m: '\0\ud83d' },
      predictions: [{ result: ['\0\ud83d'] }],
      annotations: [{ result: ['\0\ud83d'] }],
    })
  })

  it('from a file that grows while it is read is a retryable issue, and never mixes versions', async () => {
    const file = join(folder, 'growing', 'rows.jsonl')
    await mkdir(join(folder, 'growing'))
    const row = (n: number) => `{"n":${n},"text":"${'x'.repeat(10_000)}"}\n`
    let rows = 1_000
    await writeFile(file, Array.from({ length: rows }, (_, n) => row(n)).join(''))
    const storage = await world.storage({ location: { localFiles: { path: 'growing' } }, importMethod: 'TASKS' })

    let isDone = false
    const growing = (async () => {
      while (!isDone) await appendFile(file, row(rows++))
    })()
    const run = await sync(world.app, storage.id).finally(() => {
      isDone = true
    })
    await growing
    expect(run.issues).toMatchObject([{ rowIndex: null, code: 'PRECONDITION_FAILED', retryable: true }])

    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', issues: [] })
    const tasks = await tasksOf(world.app, storage.project)
    expect(tasks.map(({ data }) => data.n)).toEqual(Array.from({ length: rows }, (_, n) => n))
  })
})
