import { gzipSync } from 'node:zlib'
import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('task files', () => {
  let app: TestApp
  let s3: S3Server
  let buckets = 0
  beforeAll(async () => {
    ;[app, s3] = await Promise.all([startTestApp(), startS3()])
  })
  afterAll(async () => {
    await Promise.all([app?.stop(), s3?.stop()])
  })

  /** Imports one file and returns the run and what its tasks hold, in their order. */
  async function imported(body: string | Buffer, key = 'file') {
    const bucket = `formats-${++buckets}`
    await s3.createBucket(bucket)
    await s3.put(bucket, key, body)
    const projectId = await createProject(app)
    const s3Location = { bucket, endpoint: s3.endpoint, accessKeyId: 'key', secretAccessKey: 'secret' }
    const { storage } = await createStorage(app, { projectId, location: { s3: s3Location }, importMethod: 'TASKS' })
    const run = await sync(app, storage.id)
    const { project } = await app.request(
      `query ($id: ID!) { project(id: $id) { tasks(last: 50) { edges { node { data
        annotations { result } predictions { score } link { rowGroup rowIndex } } } } } }`,
      { id: projectId },
    )
    const tasks = project.tasks.edges.map((edge: { node: object }) => edge.node).reverse()
    return { run, tasks, again: () => sync(app, storage.id) }
  }
  const rows = (tasks: { link: { rowGroup: number | null; rowIndex: number | null } }[]) =>
    tasks.map(({ link }) => [link.rowGroup, link.rowIndex])
  const data = (tasks: { data: unknown }[]) => tasks.map((task) => task.data)

  it('of JSON Lines make a task of each line that is not blank', async () => {
    const { run, tasks, again } = await imported('{"n":1}\n\n  \r\n{"data":{"n":2}}\n{"n":3}')
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 1, created: 3 } })
    expect(data(tasks)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    expect(rows(tasks)).toEqual([
      [null, 0],
      [null, 1],
      [null, 2],
    ])
    expect(await again()).toMatchObject({ status: 'COMPLETED', counters: { created: 0, existed: 1 } })
  })

  it('with a broken line import its neighbours, wherever it is', async () => {
    for (const [text, broken] of [
      ['{"n":0}\n{"n":\n{"n":2}\n', 1],
      ['{"n":0}\n{"n":1}\n{"n":"', 2],
      ['{"n":\n{"n":1}\n{"n":2}\n', 0],
      ['{"n":0}\nnonsense\n{"n":2}\n', 1],
    ] as const) {
      const { run, tasks } = await imported(text)
      expect(run.status).toBe('COMPLETED_WITH_ERRORS')
      expect(run.issues).toMatchObject([{ rowIndex: broken, code: 'NOT_JSON' }])
      expect(data(tasks)).toEqual([0, 1, 2].filter((n) => n !== broken).map((n) => ({ n })))
    }
  })

  it('of one object that spans lines are one task', async () => {
    const { tasks } = await imported(JSON.stringify({ a: [1, { b: 2 }], c: 'x\ny' }, null, 2))
    expect(tasks).toMatchObject([{ data: { a: [1, { b: 2 }], c: 'x\ny' }, link: { rowIndex: null } }])
  })

  it('are unpacked when they are gzipped, whatever their name', async () => {
    for (const text of ['{"n":1}\n{"n":2}\n', '[{"n":1},{"n":2}]', '\ufeff[{"n":1},{"n":2}]']) {
      const { run, tasks } = await imported(gzipSync(text), 'tasks.json')
      expect(run.status).toBe('COMPLETED')
      expect(data(tasks)).toEqual([{ n: 1 }, { n: 2 }])
    }
  })

  it('in damaged gzip become an issue, and the rows before the damage stay', async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => JSON.stringify({ n, text: Math.random() })).join('\n')
    const { run } = await imported(gzipSync(lines).subarray(0, 100_000))
    expect(run.status).toBe('COMPLETED_WITH_ERRORS')
    expect(run.issues).toMatchObject([{ rowIndex: null, code: 'BROKEN_GZIP', retryable: false }])
    expect(run.counters.created).toBeGreaterThan(1_000)
  })

  it('that look like CSV have an issue with advice', async () => {
    const { run } = await imported('id,name\n1,Ann\n2,Bob\n')
    expect(run.issues).toMatchObject([{ code: 'LOOKS_LIKE_CSV', message: expect.stringContaining('JSON Lines') }])
  })

  const parquet = (count: number, rowGroupSize: number) =>
    Buffer.from(
      parquetWriteBuffer({
        columnData: [
          { name: 'n', data: Array.from({ length: count }, (_, n) => n), type: 'INT32' },
          {
            name: 'big',
            data: Array.from({ length: count }, (_, n) => 9_007_199_254_740_993n + BigInt(n)),
            type: 'INT64',
          },
          { name: 'text', data: Array.from({ length: count }, (_, n) => (n % 2 ? `row ${n}` : null)), type: 'STRING' },
          { name: 'at', data: Array.from({ length: count }, () => new Date(0)), type: 'TIMESTAMP' },
        ],
        rowGroupSize,
      }),
    )

  it('of Parquet make a task of each row, numbered inside its row group, with all digits', async () => {
    const { run, tasks, again } = await imported(parquet(5, 2), 'tasks.json')
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { listed: 1, created: 5 } })
    expect(rows(tasks)).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 0],
    ])
    expect(tasks[3].data).toMatchObject({ n: 3, text: 'row 3', at: '1970-01-01T00:00:00.000Z' })
    const text = await (
      await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${app.token}` },
        body: JSON.stringify({
          query: '{ projects(first: 1) { edges { node { tasks(first: 1) { edges { node { data } } } } } } }',
        }),
      })
    ).text()
    expect(text).toContain('9007199254740997')
    expect(await again()).toMatchObject({ counters: { created: 0, existed: 1 } })
  })

  it('of Parquet that are damaged become an issue', async () => {
    const whole = parquet(100, 50)
    const { run } = await imported(whole.subarray(0, whole.length - 20))
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', issues: [{ code: 'BROKEN_PARQUET' }] })
  })
})
