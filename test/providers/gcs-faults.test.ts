import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import type { GcsFault, GcsRequest } from '@sluice/testkit/gcs-faults.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { bucketOn, open } from './gcs-place.ts'

let server: GcsServer

beforeAll(async () => {
  server = await startGcs()
})
afterAll(() => server.stop())

const isApi = ({ operation }: GcsRequest) => operation !== 'token'

/** Sets a fault for the time of one test. */
function fail(fault: GcsFault) {
  const set = server.fail({ match: isApi, ...fault })
  onTestFinished(() => set.release())
  return set
}

const methods: { what: string; run: (provider: Provider, signal?: AbortSignal) => Promise<unknown> }[] = [
  { what: 'check', run: (provider, signal) => provider.check(signal) },
  {
    what: 'list',
    run: (provider, signal) => provider.list({ cursor: null, limit: 1, recursive: true, ...(signal && { signal }) }),
  },
  { what: 'read', run: (provider, signal) => provider.read('a', { signal }) },
  { what: 'write', run: (provider, signal) => provider.write('a', Buffer.from('x'), { signal }) },
  { what: 'remove', run: (provider, signal) => provider.remove('a', signal) },
]

const everyMethod = async (provider: Provider, fault: Record<string, unknown>) => {
  for (const { what, run } of methods) await expect(run(provider), what).rejects.toMatchObject(fault)
}

describe('GCS: what a failing connection is called', () => {
  test('a key that is not the one of its account is BAD_CREDENTIALS', async () => {
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server, { objects: { a: '' } })
    const { private_key } = JSON.parse(server.newAccount({ sharesKey: false }).keyFile)
    const keyFile = JSON.stringify({ ...JSON.parse(serviceAccountJson), private_key })
    const provider = await open({ bucket, endpoint }, { serviceAccountJson: keyFile })
    await everyMethod(provider, { code: 'BAD_CREDENTIALS', message: expect.stringContaining('does not accept') })
  })

  test('the key of an account that was deleted is BAD_CREDENTIALS, and nothing secret is in the error', async () => {
    const { bucket, endpoint } = await bucketOn(server)
    const { keyFile: serviceAccountJson } = server.newAccount({ known: false })
    const error = await (await open({ bucket, endpoint }, { serviceAccountJson })).check().catch((fault) => fault)
    expect(error).toMatchObject({ code: 'BAD_CREDENTIALS' })
    const told = inspect(error, { depth: 20, showHidden: true, getters: true })
    expect(told).not.toContain('account not found')
    expect(told).not.toMatch(/PRIVATE KEY|eyJ|Bearer|ya29/)
  })

  test.for([-2, 2])('a clock that is %i hours ahead is CLOCK_SKEW', async (hours) => {
    const elsewhere = await startGcs({ clock: () => Date.now() - hours * 3_600_000 })
    onTestFinished(() => elsewhere.stop())
    const { provider } = await bucketOn(elsewhere)
    await expect(provider.check()).rejects.toMatchObject({ code: 'CLOCK_SKEW' })
  })

  test('a token that the API does not know is BAD_CREDENTIALS', async () => {
    const { provider } = await bucketOn(server)
    fail({ status: 401, reason: 'authError', message: 'Invalid Credentials', times: Infinity })
    await everyMethod(provider, { code: 'BAD_CREDENTIALS' })
  })

  test.for([
    ['objects.list', 'check', 'storage.objects.list'],
    ['objects.list', 'list', 'storage.objects.list'],
    ['media', 'read', 'storage.objects.get'],
    ['objects.create', 'write', 'storage.objects.create'],
    ['objects.delete', 'remove', 'storage.objects.delete'],
  ] as const)(
    'an account without the permission for %s is DENIED to %s, with the missing permission',
    async ([operation, what, lacking]) => {
      const { bucket, endpoint } = await bucketOn(server, { objects: { a: 'hello' } })
      const account = server.newAccount({ may: (request) => request.operation !== operation })
      const provider = await open({ bucket, endpoint }, { serviceAccountJson: account.keyFile })
      const { run } = methods.find((method) => method.what === what)!
      const error = await run(provider).catch((fault) => fault)
      expect(error).toMatchObject({ code: 'DENIED', message: expect.stringContaining(lacking) })
      expect(inspect(error, { depth: 20, showHidden: true, getters: true })).not.toMatch(/PRIVATE KEY|eyJ|Bearer|ya29/)
    },
  )

  test('a bucket that does not exist is NO_SUCH_BUCKET, named in the message', async () => {
    const { endpoint, serviceAccountJson } = await bucketOn(server)
    const provider = await open({ bucket: 'not-there', endpoint }, { serviceAccountJson })
    await everyMethod(provider, { code: 'NO_SUCH_BUCKET', message: expect.stringContaining('"not-there"') })
  })

  test('an object whose name sounds like a missing bucket is OBJECT_MISSING', async () => {
    const { provider } = await bucketOn(server)
    const read = provider.read('The specified bucket does not exist.')
    await expect(read).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  })

  test('a port where nothing listens is CONNECTION_REFUSED, of the API as of the token service', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
    onTestFinished(() => void vi.restoreAllMocks())
    const gone = await startGcs()
    const { bucket, endpoint, serviceAccountJson } = await bucketOn(server)
    const { keyFile } = gone.newAccount()
    await gone.stop()
    const api = await open({ bucket, endpoint: gone.endpoint }, { serviceAccountJson })
    await expect(api.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
    const tokens = await open({ bucket, endpoint }, { serviceAccountJson: keyFile })
    await expect(tokens.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
  })

  test('a host name without an address is UNRESOLVABLE_HOST', async () => {
    const provider = await open({ bucket: 'bucket', endpoint: 'http://no-such-host.invalid', anonymous: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNRESOLVABLE_HOST' })
  })

  test('TLS spoken to a plain HTTP port is TLS_FAILED', async () => {
    const endpoint = `https://127.0.0.1:${server.port}`
    const provider = await open({ bucket: 'bucket', endpoint, anonymous: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'TLS_FAILED' })
  })

  test.for([
    { what: 'a page', status: 200, body: '<!doctype html><html><body><br></body></html>' },
    { what: 'a page about 404', status: 404, body: '<html><body>Not Found</body></html>' },
    { what: 'a page about 403', status: 403, body: '<html><body>Forbidden</body></html>' },
    { what: 'a redirect to a login page', status: 302, body: '<html><body>Moved</body></html>' },
    { what: 'another API', status: 403, body: '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>' },
    { what: 'text', status: 200, body: 'It works!' },
  ])('$what answered by a website is CONSOLE_URL', async ({ status, body }) => {
    const website = createServer((_request, response) =>
      response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', location: '/login' }).end(body),
    )
    await new Promise<void>((done) => website.listen(0, '127.0.0.1', done))
    onTestFinished(() => void website.close())
    const { port } = website.address() as AddressInfo
    const provider = await open({ bucket: 'bucket', endpoint: `http://127.0.0.1:${port}`, anonymous: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONSOLE_URL' })
    const list = provider.list({ cursor: null, limit: 1, recursive: true })
    await expect(list).rejects.toMatchObject({ code: 'CONSOLE_URL' })
  })

  test.for<{ answer: { status: number; reason: string }; code: string }>([
    { answer: { status: 403, reason: 'forbidden' }, code: 'DENIED' },
    { answer: { status: 403, reason: 'somethingOfTheirOwn' }, code: 'DENIED' },
    { answer: { status: 401, reason: 'authError' }, code: 'BAD_CREDENTIALS' },
    { answer: { status: 412, reason: 'conditionNotMet' }, code: 'PRECONDITION_FAILED' },
    { answer: { status: 400, reason: 'invalid' }, code: 'UNEXPECTED_ANSWER' },
  ])('the answer $answer.status $answer.reason is $code', async ({ answer, code }) => {
    const { provider } = await bucketOn(server)
    fail({ ...answer, times: Infinity })
    await everyMethod(provider, { code })
  })
})

describe('GCS: transient faults', () => {
  // A random part of the backoff is waited for.
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test.for<{ what: string; fault: GcsFault }>([
    { what: '503', fault: { status: 503 } },
    { what: '500', fault: { status: 500 } },
    { what: '429', fault: { status: 429, reason: 'rateLimitExceeded' } },
    { what: '408', fault: { status: 408 } },
    { what: 'reset connection', fault: { reset: true } },
  ])('one $what is hidden by a retry', async ({ fault }) => {
    const { provider } = await bucketOn(server, { objects: { a: 'hello' } })
    const on = (operation: string) => fail({ ...fault, match: (request) => request.operation === operation })
    const faults = ['media', 'objects.list', 'objects.create', 'objects.delete'].map(on)
    expect(await text((await provider.read('a')).body)).toBe('hello')
    await provider.write('b', Buffer.from('x'))
    expect((await provider.list({ cursor: null, limit: 9, recursive: true })).objects).toHaveLength(2)
    await provider.remove('b')
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1, 1, 1])
  })

  const page = { headers: { 'content-type': 'text/html' }, body: '<html><body>Come back later<br></body></html>' }
  test.for<{ what: string; fault: GcsFault; code: string }>([
    { what: '503', fault: { status: 503 }, code: 'THROTTLED' },
    { what: '429', fault: { status: 429 }, code: 'THROTTLED' },
    { what: '403 rateLimitExceeded', fault: { status: 403, reason: 'rateLimitExceeded' }, code: 'THROTTLED' },
    { what: '500', fault: { status: 500 }, code: 'UNREACHABLE' },
    { what: 'a 429 page of a proxy', fault: { answer: { status: 429, ...page } }, code: 'THROTTLED' },
    { what: 'a 502 page of a proxy', fault: { answer: { status: 502, ...page } }, code: 'UNREACHABLE' },
    { what: 'a reset connection', fault: { reset: true }, code: 'UNREACHABLE' },
  ])('permanent $what is $code after some retries', async ({ fault, code }) => {
    const { provider } = await bucketOn(server)
    const endless = fail({ ...fault, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code, retryable: true })
    expect(endless.hits).toBe(4)
  })

  test('a token service that is down is UNREACHABLE, not BAD_CREDENTIALS', async () => {
    const { provider } = await bucketOn(server)
    fail({ match: ({ operation }) => operation === 'token', status: 500, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
  })

  test('a body that is cut by the network fails instead of ending', async () => {
    const { provider } = await bucketOn(server, { objects: { a: 'x'.repeat(100_000) } })
    fail({ cutAfterBytes: 1000 })
    const { body, length } = await provider.read('a')
    expect(length).toBe(100_000)
    await expect(text(body)).rejects.toThrow()
  })

  test('a body that breaks off does not affect other bodies, or the process if nobody reads it', async () => {
    const { provider } = await bucketOn(server, { objects: { a: 'x'.repeat(5_000_000) } })
    const { body } = await provider.read('a')
    fail({ cutAfterBytes: 1000 })
    const broken = await provider.read('a')
    await new Promise((done) => broken.body.once('close', done))
    expect((await text(body)).length).toBe(5_000_000)
  })
})

describe('GCS: giving up while waiting', () => {
  test.for(methods)('an abort ends $what with the reason and closes the connection', async ({ run }) => {
    const { provider } = await bucketOn(server)
    const held = fail({ hold: true })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const waiting = run(provider, controller.signal)
    await Promise.all([
      expect(waiting).rejects.toBe(reason),
      held.met.then(() => controller.abort(reason)),
      held.closed,
    ])
  })

  test.for(methods)(
    'an abort while $what waits for a token, or to try again, ends it with the reason',
    async ({ run }) => {
      const { provider } = await bucketOn(server)
      for (const fault of [
        { match: ({ operation }: GcsRequest) => operation === 'token', hold: true as const },
        { status: 503, times: Infinity },
      ]) {
        const set = fail(fault)
        const controller = new AbortController()
        const reason = new Error('changed my mind')
        const waiting = run(provider, controller.signal)
        await Promise.all([expect(waiting).rejects.toBe(reason), set.met.then(() => controller.abort(reason))])
        set.release()
      }
    },
  )
})
