import { text } from 'node:stream/consumers'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import type { S3Request } from '@sluice/testkit/s3-front.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { fronted, keyPair, open } from './s3-place.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

describe('S3: what a failing connection is called', () => {
  test.for([
    { wrong: { secretAccessKey: 'wrong' }, code: 'BAD_CREDENTIALS' },
    { wrong: { accessKeyId: 'UNKNOWN' }, code: 'BAD_CREDENTIALS' },
  ])('credentials with $wrong are $code', async ({ wrong, code }) => {
    const { bucket, endpoint } = await fronted(server, { objects: { a: '' } })
    const provider = await open({ bucket, endpoint }, { ...keyPair, ...wrong })
    await expect(provider.check()).rejects.toMatchObject({ code })
    await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject({ code })
    await expect(provider.read('a')).rejects.toMatchObject({ code })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code })
  })

  test('anonymous requests have no signature and are DENIED if one is needed', async () => {
    const { bucket, endpoint } = await fronted(server)
    const provider = await open({ bucket, endpoint, anonymous: true }, {})
    await expect(provider.check()).rejects.toMatchObject({ code: 'DENIED' })
  })

  test('a bucket that does not exist is NO_SUCH_BUCKET, named in the message', async () => {
    const { endpoint } = await fronted(server)
    const provider = await open({ bucket: 'not-there', endpoint })
    const fault = { code: 'NO_SUCH_BUCKET', message: expect.stringContaining('"not-there"') }
    await expect(provider.check()).rejects.toMatchObject(fault)
    await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject(fault)
    await expect(provider.read('a')).rejects.toMatchObject(fault)
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject(fault)
  })
})

describe('S3: missing is not denied', () => {
  test('the result for each object is that of its own response', async () => {
    const { front, provider } = await fronted(server, { objects: { open: 'hello', secret: 'no' } })
    front.fail({ times: Infinity, status: 403, code: 'AccessDenied', match: (request) => request.key === 'secret' })
    expect(await text((await provider.read('open')).body)).toBe('hello')
    await expect(provider.read('secret')).rejects.toMatchObject({ code: 'DENIED', retryable: false })
    await expect(provider.read('nothing')).rejects.toMatchObject({ code: 'OBJECT_MISSING', retryable: false })
    await expect(provider.write('secret', Buffer.from(''))).rejects.toMatchObject({ code: 'DENIED' })
    await expect(provider.remove('secret')).rejects.toMatchObject({ code: 'DENIED' })
  })
})

describe('S3: transient faults', () => {
  // The SDK waits a random part of a backoff before it tries again.
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test.for([
    { status: 503, code: 'SlowDown', baseMs: 1000 },
    { status: 429, code: 'TooManyRequests', baseMs: 1000 },
    { status: 500, code: 'InternalError', baseMs: 50 },
  ])('after $status $code the waits between retries grow', async ({ status, code, baseMs }) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.05)
    const { front, provider } = await fronted(server)
    front.fail({ status, code, times: Infinity })
    const fault = await provider.check().catch((error) => error)
    const waited = fault.cause.$metadata.totalRetryDelay
    expect(Math.abs(waited - 0.05 * (1 + 2 + 4) * baseMs)).toBeLessThan(5)
  })

  test('all concurrent requests survive a burst of refusals', async () => {
    const { front, provider } = await fronted(server, { objects: { a: 'hello' } })
    // A plain request of ours, and the SDK's first.
    const isFirstTry = ({ headers }: S3Request) => /^attempt=1;|undefined/.test(String(headers['amz-sdk-request']))
    const burst = front.fail({ status: 503, code: 'SlowDown', times: Infinity, match: isFirstTry })
    const bodies = Array.from({ length: 60 }, async () => text((await provider.read('a')).body))
    expect(new Set(await Promise.all(bodies))).toEqual(new Set(['hello']))
    expect(burst.hits).toBe(120)
  })

  test('an abort does not wait for the next try', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999)
    const { front, provider } = await fronted(server)
    const fault = front.fail({ status: 503, code: 'SlowDown', times: Infinity })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const waiting = provider.check(controller.signal)
    const checked = expect(waiting).rejects.toBe(reason)
    await fault.met
    controller.abort(reason)
    await checked
    expect(fault.hits).toBe(1)
  })
})
