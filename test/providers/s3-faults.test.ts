import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import type { Fault, S3Request } from '@sluice/testkit/s3-front.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
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

  test('a port where nothing listens is CONNECTION_REFUSED', async () => {
    const { front, provider } = await fronted(server)
    await front.stop()
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
  })

  test('a host name without an address is UNRESOLVABLE_HOST', async () => {
    const provider = await open({ bucket: 'bucket', endpoint: 'http://no-such-host.invalid' })
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNRESOLVABLE_HOST' })
  })

  test('TLS spoken to a plain HTTP port is TLS_FAILED', async () => {
    const { front, bucket } = await fronted(server)
    const provider = await open({ bucket, endpoint: `https://127.0.0.1:${front.port}` })
    await expect(provider.check()).rejects.toMatchObject({ code: 'TLS_FAILED' })
  })

  test.for([
    {
      what: 'a page',
      status: 200,
      body: '<!doctype html><html><head><meta charset=utf-8></head><body><br></body></html>',
    },
    { what: 'a well-formed page', status: 200, body: '<html><head><title>Console</title></head><body/></html>' },
    { what: 'a page about 404', status: 404, body: '<html><body>Not Found</body></html>' },
    { what: 'a page about 403', status: 403, body: '<html><body>Forbidden</body></html>' },
    { what: 'a redirect to a login page', status: 302, body: '<html><body>Moved</body></html>' },
  ])('$what answered by a website is CONSOLE_URL', async ({ status, body }) => {
    const website = createServer((_request, response) =>
      response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', location: '/login' }).end(body),
    )
    await new Promise<void>((done) => website.listen(0, '127.0.0.1', done))
    onTestFinished(() => void website.close())
    const { port } = website.address() as AddressInfo
    const provider = await open({ bucket: 'bucket', endpoint: `http://127.0.0.1:${port}` })
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONSOLE_URL' })
    await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject({
      code: 'CONSOLE_URL',
    })
  })

  test.for<{ answer: { status: number; code: string }; code: string }>([
    { answer: { status: 403, code: 'AccessDenied' }, code: 'DENIED' },
    { answer: { status: 403, code: 'SomethingOfTheirOwn' }, code: 'DENIED' },
    { answer: { status: 403, code: 'InvalidObjectState' }, code: 'ARCHIVED' },
    { answer: { status: 400, code: 'ExpiredToken' }, code: 'BAD_CREDENTIALS' },
    { answer: { status: 400, code: 'AuthorizationHeaderMalformed' }, code: 'WRONG_REGION' },
    { answer: { status: 301, code: 'PermanentRedirect' }, code: 'WRONG_REGION' },
    { answer: { status: 400, code: 'SomethingOfTheirOwn' }, code: 'UNEXPECTED_ANSWER' },
  ])('the answer $answer.status $answer.code is $code', async ({ answer, code }) => {
    const { front, provider } = await fronted(server)
    front.fail({ ...answer, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code })
    await expect(provider.read('a')).rejects.toMatchObject({ code })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code })
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

  test.for<{ what: string; fault: Fault }>([
    { what: '503 SlowDown', fault: { status: 503, code: 'SlowDown' } },
    { what: '429 TooManyRequests', fault: { status: 429, code: 'TooManyRequests' } },
    { what: '500 InternalError', fault: { status: 500, code: 'InternalError' } },
    { what: 'a reset connection', fault: { reset: true } },
  ])('one $what is hidden by a retry', async ({ fault }) => {
    const { front, provider } = await fronted(server, { objects: { a: 'hello' } })
    const get = front.fail({ ...fault, match: (request) => request.operation === 'GetObject' })
    const list = front.fail({ ...fault, match: (request) => request.operation === 'ListObjectsV2' })
    const put = front.fail({ ...fault, match: (request) => request.operation === 'PutObject' })
    expect(await text((await provider.read('a')).body)).toBe('hello')
    await provider.write('b', Buffer.from('x'))
    expect((await provider.list({ cursor: null, limit: 9, recursive: true })).objects).toHaveLength(2)
    expect([get.hits, list.hits, put.hits]).toEqual([1, 1, 1])
  })

  const page = { headers: { 'content-type': 'text/html' }, body: '<html><body>Come back later<br></body></html>' }
  test.for<{ what: string; fault: Fault; code: string }>([
    { what: '503 SlowDown', fault: { status: 503, code: 'SlowDown' }, code: 'THROTTLED' },
    { what: '500 InternalError', fault: { status: 500, code: 'InternalError' }, code: 'UNREACHABLE' },
    { what: 'a 429 page of a proxy', fault: { answer: { status: 429, ...page } }, code: 'THROTTLED' },
    { what: 'a 502 page of a proxy', fault: { answer: { status: 502, ...page } }, code: 'UNREACHABLE' },
  ])('permanent $what is $code after some retries', async ({ fault, code }) => {
    const { front, provider } = await fronted(server)
    const endless = front.fail({ ...fault, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code, retryable: true })
    expect(endless.hits).toBe(4)
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

  test('a body that is cut by the network fails instead of ending', async () => {
    const { front, provider } = await fronted(server, { objects: { a: 'x'.repeat(100_000) } })
    front.fail({ cutAfterBytes: 1000 })
    const { body, length } = await provider.read('a')
    expect(length).toBe(100_000)
    await expect(text(body)).rejects.toThrow()
  })
})

describe('S3: giving up while waiting', () => {
  test.for<{ what: string; run: (provider: Provider, signal: AbortSignal) => Promise<unknown> }>([
    { what: 'check', run: (provider, signal) => provider.check(signal) },
    { what: 'list', run: (provider, signal) => provider.list({ cursor: null, limit: 1, recursive: true, signal }) },
    { what: 'read', run: (provider, signal) => provider.read('a', { signal }) },
    { what: 'write', run: (provider, signal) => provider.write('a', Buffer.from('x'), { signal }) },
    { what: 'remove', run: (provider, signal) => provider.remove('a', signal) },
  ])('an abort ends $what with the reason and closes the connection', async ({ run }) => {
    const { front, provider } = await fronted(server)
    const held = front.fail({ hold: true })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const waiting = run(provider, controller.signal)
    await Promise.all([
      expect(waiting).rejects.toBe(reason),
      held.met.then(() => controller.abort(reason)),
      held.closed,
    ])
  })
})
