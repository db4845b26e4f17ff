import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { startRedis } from '@sluice/testkit/redis.ts'
import type { S3Request } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { keysOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const good = { 'a.json': '{"n":1}', 'z.json': '[{"n":2}]' }

describe('an object that cannot be imported', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`
  it.for<{ what: string; body: string | Uint8Array; code: string }>([
    { what: 'text that is not JSON', body: 'hello', code: 'NOT_JSON' },
    { what: 'JSON with an error in it', body: '{"n":}', code: 'NOT_JSON' },
    { what: 'JSON with a NUL byte in it', body: '{"n":\0}', code: 'NOT_JSON' },
    { what: 'JSON that ends too early', body: '{"n":{', code: 'NOT_JSON' },
    { what: 'two JSON values', body: '{"n":1} {"n":2}', code: 'NOT_JSON' },
    { what: 'a JSON text that is neither object nor array', body: '"text"', code: 'NOT_JSON' },
    { what: 'nothing', body: '', code: 'NOT_JSON' },
    { what: 'nothing but white space', body: ' \n ', code: 'NOT_JSON' },
    { what: 'an image', body: Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), code: 'BINARY_IN_TASKS' },
    { what: 'an object whose text is not UTF-8', body: Buffer.from('7b22ff223a317d', 'hex'), code: 'NOT_UTF8' },
    { what: 'JSON nested too deeply', body: deep, code: 'NOT_A_TASK' },
  ])('$what is an issue $code, and its neighbours are imported', async ({ body, code }) => {
    const storage = await world.storage({ objects: { ...good, 'm.json': body }, importMethod: 'TASKS' })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      failure: null,
      counters: { listed: 3, created: 2, failed: 1 },
      issues: [{ key: 'm.json', rowIndex: null, code, retryable: false }],
    })
    expect((await keysOf(world.app, storage.project)).sort()).toEqual(['a.json', 'z.json'])
  })

  it('an archived object is an issue ARCHIVED, and its neighbours are imported', async () => {
    const storage = await world.storage({ objects: { ...good, 'm.json': '{}' }, importMethod: 'TASKS' })
    const match = (request: S3Request) => request.bucket === storage.bucket && request.key === 'm.json'
    const fault = world.front.fail({ times: Infinity, status: 403, code: 'InvalidObjectState', match })
    onTestFinished(() => fault.release())
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 3, created: 2, failed: 1 },
      issues: [{ key: 'm.json', code: 'ARCHIVED', retryable: false }],
    })
  })

  it('in Redis, a key that holds no string is an issue WRONG_TYPE, and its neighbours are imported', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const client = redis.client(1)
    for (const [key, body] of Object.entries(good)) await client.set(`in/${key}`, body)
    await client.rpush('in/m.json', '{"n":3}')
    const project = await createProject(world.app)
    const location = { redis: { host: redis.host, port: redis.port, db: 1, path: 'in/' } }
    const { storage } = await createStorage(world.app, { projectId: project, location, importMethod: 'TASKS' })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 3, created: 2, failed: 1 },
      issues: [{ key: 'in/m.json', code: 'WRONG_TYPE', retryable: false }],
    })
    expect((await keysOf(world.app, project)).sort()).toEqual(['in/a.json', 'in/z.json'])
  })

  it('is read again by the next sync, and no other object is', async () => {
    const storage = await world.storage({ objects: { ...good, 'm.json': 'hello' }, importMethod: 'TASKS' })
    await sync(world.app, storage.id)
    await world.s3.put(storage.bucket, 'm.json', '{"n":3}')
    const reads = world.front.counts.GetObject!
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED', counters: { created: 1, existed: 2, failed: 0 }, issues: [] })
    expect(world.front.counts.GetObject! - reads).toBe(1)
  })

  it('is no issue if the storage only asks to slow down: it is read later, with less concurrency', async () => {
    const objects = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`${n}.json`, `{"n":${n}}`]))
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    const slow = world.front.fail({
      status: 503,
      code: 'SlowDown',
      match: ({ method, bucket, key }) => method === 'GET' && bucket === storage.bucket && key !== '',
      times: 150,
    })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED',
      counters: { listed: 30, created: 30, failed: 0 },
      issues: [],
    })
    expect(slow.hits).toBe(150)
  })

  it('is OBJECT_MISSING if it was deleted between listing and reading', async () => {
    const storage = await world.storage({ objects: { ...good, 'm.json': '{"n":3}' }, importMethod: 'TASKS' })
    const held = world.front.fail({ hold: true, match: ({ key }) => key === 'm.json' })
    const runId = await startSync(world.app, storage.id)
    await held.met
    await world.s3.client.send(new DeleteObjectCommand({ Bucket: storage.bucket, Key: 'm.json' }))
    held.release()
    expect(await finished(world.app, runId)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { listed: 3, created: 2, failed: 1 },
      issues: [{ key: 'm.json', code: 'OBJECT_MISSING' }],
    })
  })

  it.for([
    { what: 'an object', body: `{"text":"${'x'.repeat(100_000)}"}` },
    { what: 'an array', body: `[{"n":0},{"text":"${'x'.repeat(100_000)}"}]` },
  ])('is BODY_CUT, and retryable, if the body of $what breaks off and the storage ignores ranges', async ({ body }) => {
    const storage = await world.storage({ objects: { ...good, 'm.json': body }, importMethod: 'TASKS' })
    world.front.fail({
      cutAfterBytes: 50_000,
      times: 2,
      match: ({ key, headers }) => {
        delete headers.range
        return key === 'm.json'
      },
    })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ issues: [{ key: 'm.json', rowIndex: null, code: 'BODY_CUT', retryable: true }] })
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { failed: 0 } })
    expect(await keysOf(world.app, storage.project)).toContain('m.json')
  })

  it('is DENIED if only it is forbidden', async () => {
    const storage = await world.storage({ objects: { ...good, 'm.json': '{}' }, importMethod: 'TASKS' })
    const denied = world.front.fail({
      status: 403,
      code: 'AccessDenied',
      match: ({ key }) => key === 'm.json',
      times: Infinity,
    })
    const run = await sync(world.app, storage.id)
    denied.release()
    expect(run).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 2 },
      issues: [{ key: 'm.json', code: 'DENIED' }],
    })
  })

  it('has an issue with the reason if no link can store its key', async () => {
    const entry = (key: string) =>
      `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`
    const page = [
      '<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>',
      entry('fine.jpg'),
      entry('a%00b'),
      entry(Array.from({ length: 3_000 }, (_, i) => ((i * 7919) % 36).toString(36)).join('')),
      '</ListBucketResult>',
    ].join('')
    const storage = await world.storage({ objects: {} })
    world.front.fail({
      answer: { status: 200, headers: { 'content-type': 'application/xml' }, body: page },
      match: ({ operation, bucket }) => operation === 'ListObjectsV2' && bucket === storage.bucket,
    })
    const run = await sync(world.app, storage.id)
    expect(run).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', counters: { listed: 3, created: 1, failed: 2 } })
    expect(run.issues.map(({ code }: { code: string }) => code)).toEqual(['KEY_TOO_LONG', 'KEY_NOT_TEXT'])
    expect(await keysOf(world.app, storage.project)).toEqual(['fine.jpg'])
  })
})
