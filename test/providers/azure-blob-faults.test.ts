import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import type { AzureFault } from '@sluice/testkit/azure-front.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { socketPool } from '../../src/providers/azure-blob/sockets.ts'
import { networkError } from '../../src/providers/network-error.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { createEgress } from '../../src/security/egress.ts'
import { fronted, open } from './azure-place.ts'

let server: AzureServer

beforeAll(async () => {
  server = await startAzure()
})
afterAll(() => server.stop())

const list = { cursor: null, limit: 1, recursive: true }

describe('Azure Blob: what a failing connection is called', () => {
  const { account, accountKey } = { account: 'account', accountKey: Buffer.from('a key').toString('base64') }

  test('a port where nothing listens is CONNECTION_REFUSED within seconds', async () => {
    const { front, provider } = await fronted(server)
    await front.stop()
    const since = performance.now()
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
    expect(performance.now() - since).toBeLessThan(5_000)
  })

  test('a host name without an address is UNRESOLVABLE_HOST at once', async () => {
    const provider = await open(
      { account, container: 'container', endpoint: `http://${account}.blob.invalid` },
      { accountKey },
    )
    const since = performance.now()
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNRESOLVABLE_HOST' })
    expect(performance.now() - since).toBeLessThan(5_000)
  })

  test('a host that accepts no connection is TIMEOUT after five seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const egress = createEgress({ isLocal: true, allowed: [], blocked: [] }, { resolve: () => new Promise(() => {}) })
    const request = get('http://storage.invalid', { agent: socketPool('http://storage.invalid', egress) })
    const failed = once(request, 'error')
    await waitFor(request, 'socket')
    vi.advanceTimersByTime(4_999)
    expect(request.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(networkError((await failed)[0])).toMatchObject({ code: 'TIMEOUT' })
  })

  test('TLS spoken to a plain HTTP port is TLS_FAILED', async () => {
    const { front, open } = await fronted(server)
    const provider = await open({ endpoint: `https://127.0.0.1:${front.port}/${server.account}` })
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
    const endpoint = `http://127.0.0.1:${port}/${account}`
    const provider = await open({ account, container: 'container', endpoint }, { accountKey })
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONSOLE_URL' })
    await expect(provider.list(list)).rejects.toMatchObject({ code: 'CONSOLE_URL' })
  })

  test.for<{ status: number; name: string; code: string }>([
    { status: 403, name: 'AuthenticationFailed', code: 'BAD_CREDENTIALS' },
    { status: 400, name: 'InvalidAuthenticationInfo', code: 'BAD_CREDENTIALS' },
    { status: 403, name: 'AuthorizationFailure', code: 'DENIED' },
    { status: 403, name: 'AuthorizationPermissionMismatch', code: 'DENIED' },
    { status: 403, name: 'AuthorizationSourceIPMismatch', code: 'DENIED' },
    { status: 403, name: 'InsufficientAccountPermissions', code: 'DENIED' },
    { status: 403, name: 'KeyBasedAuthenticationNotPermitted', code: 'DENIED' },
    { status: 409, name: 'PublicAccessNotPermitted', code: 'DENIED' },
    { status: 409, name: 'BlobArchived', code: 'ARCHIVED' },
    { status: 409, name: 'BlobBeingRehydrated', code: 'ARCHIVED' },
    { status: 412, name: 'LeaseIdMissing', code: 'DENIED' },
    { status: 404, name: 'ContainerNotFound', code: 'NO_SUCH_BUCKET' },
    { status: 409, name: 'ContainerBeingDeleted', code: 'NO_SUCH_BUCKET' },
    { status: 400, name: 'SomethingOfTheirOwn', code: 'UNEXPECTED_ANSWER' },
  ])('the answer $status $name is $code', async ({ status, name, code }) => {
    const { front, provider } = await fronted(server)
    front.fail({ status, code: name, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code })
    await expect(provider.read('a')).rejects.toMatchObject({ code })
    await expect(provider.read('a', { range: { suffix: 1 } })).rejects.toMatchObject({ code })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code })
  })

  test('a request that Azure refuses as too old is CLOCK_SKEW, not BAD_CREDENTIALS', async () => {
    const { front, provider } = await fronted(server)
    const rest = "<AuthenticationErrorDetail>Request date header too old: 'Tue, 24 Nov'</AuthenticationErrorDetail>"
    front.fail({ status: 403, code: 'AuthenticationFailed', rest })
    await expect(provider.check()).rejects.toMatchObject({ code: 'CLOCK_SKEW' })
  })

  test('an endpoint that is too old for the API says so', async () => {
    const { front, provider } = await fronted(server)
    front.fail({ status: 400, code: 'InvalidHeaderValue', rest: '<HeaderName>x-ms-version</HeaderName>' })
    await expect(provider.check()).rejects.toThrow('too old')
  })
})

describe('Azure Blob: transient faults', () => {
  // A random part of the backoff is waited for before the next try.
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test.for<{ what: string; fault: AzureFault }>([
    { what: '503 ServerBusy', fault: { status: 503, code: 'ServerBusy' } },
    { what: '429 TooManyRequests', fault: { status: 429, code: 'TooManyRequests' } },
    { what: '500 OperationTimedOut', fault: { status: 500, code: 'OperationTimedOut' } },
    { what: '502 of a proxy', fault: { answer: { status: 502, body: '' } } },
    { what: 'a reset connection', fault: { reset: true } },
  ])('one $what is hidden by a retry', async ({ fault }) => {
    const { front, provider } = await fronted(server, { a: 'hello' })
    const get = front.fail({ ...fault, match: ({ method, url }) => method === 'GET' && !url!.includes('comp=list') })
    const lists = front.fail({ ...fault, match: ({ url }) => url!.includes('comp=list') })
    const put = front.fail({ ...fault, match: ({ method }) => method === 'PUT' })
    const remove = front.fail({ ...fault, match: ({ method }) => method === 'DELETE' })
    expect(await text((await provider.read('a')).body)).toBe('hello')
    await provider.write('b', Buffer.from('x'))
    expect((await provider.list({ cursor: null, limit: 9, recursive: true })).objects).toHaveLength(2)
    await provider.remove('b')
    expect([get.hits, lists.hits, put.hits, remove.hits]).toEqual([1, 1, 1, 1])
  })

  const page = { headers: { 'content-type': 'text/html' }, body: '<html><body>Come back later<br></body></html>' }
  test.for<{ what: string; fault: AzureFault; code: string }>([
    { what: '503 ServerBusy', fault: { status: 503, code: 'ServerBusy' }, code: 'THROTTLED' },
    { what: '500 InternalError', fault: { status: 500, code: 'InternalError' }, code: 'UNREACHABLE' },
    { what: 'a 429 page of a proxy', fault: { answer: { status: 429, ...page } }, code: 'THROTTLED' },
    { what: 'a 502 page of a proxy', fault: { answer: { status: 502, ...page } }, code: 'UNREACHABLE' },
  ])('permanent $what is $code after some retries', async ({ fault, code }) => {
    const { front, provider } = await fronted(server)
    const endless = front.fail({ ...fault, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code, retryable: true })
    expect(endless.hits).toBe(4)
  })

  test('a retry waits as long as the storage asks', async () => {
    const { front, provider } = await fronted(server)
    front.fail({ status: 503, code: 'ServerBusy', headers: { 'retry-after': '1' } })
    const since = performance.now()
    await provider.check()
    expect(performance.now() - since).toBeGreaterThan(1000)
  })

  test('a body that is cut by the network is BODY_CUT, and no other request is made for the rest', async () => {
    const { front, provider } = await fronted(server, { a: 'x'.repeat(100_000) })
    front.fail({ cutAfterBytes: 1000 })
    const { body, length } = await provider.read('a')
    expect(length).toBe(100_000)
    await expect(text(body)).rejects.toMatchObject({ code: 'BODY_CUT' })
    expect(front.requests).toHaveLength(1)
  })
})

describe('Azure Blob: giving up while waiting', () => {
  test.for<{ what: string; run: (provider: Provider, signal: AbortSignal) => Promise<unknown> }>([
    { what: 'check', run: (provider, signal) => provider.check(signal) },
    { what: 'list', run: (provider, signal) => provider.list({ ...list, signal }) },
    { what: 'read', run: (provider, signal) => provider.read('a', { signal }) },
    { what: 'read of the end', run: (provider, signal) => provider.read('a', { range: { suffix: 1 }, signal }) },
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

  test('an abort ends the wait before the next try', async () => {
    const { front, provider } = await fronted(server)
    const busy = front.fail({ status: 503, code: 'ServerBusy', headers: { 'retry-after': '9' }, times: Infinity })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const waiting = provider.check(controller.signal)
    await Promise.all([expect(waiting).rejects.toBe(reason), busy.met.then(() => controller.abort(reason))])
  })
})
