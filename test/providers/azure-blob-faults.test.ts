import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import {
  type ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { describeError } from '../../src/errors.ts'
import { socketPool } from '../../src/providers/azure-blob/sockets.ts'
import { networkError } from '../../src/providers/network-error.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { type AzureServer, startAzure } from '../support/azure.ts'
import type { AzureFault } from '../support/azure-front.ts'
import { fronted, open, placeOf } from './azure-place.ts'

let server: AzureServer

beforeAll(async () => {
  server = await startAzure()
})
afterAll(() => server.stop())

/** A SAS of the container with these permissions, good for `seconds` from now. */
function sasFor({ containerName }: ContainerClient, permissions: string, seconds = 60): string {
  const values = {
    version: '2020-12-06',
    containerName,
    permissions: ContainerSASPermissions.parse(permissions),
    expiresOn: new Date(Date.now() + seconds * 1000),
  }
  const credential = new StorageSharedKeyCredential(server.account, server.accountKey)
  return generateBlobSASQueryParameters(values, credential).toString()
}

const list = { cursor: null, limit: 1, recursive: true }
const otherKey = Buffer.from('another key').toString('base64')

/** What each method comes to: `ok`, or the code of its fault. */
async function outcomes(provider: Provider) {
  const outcome = (promise: Promise<unknown>) => promise.then(() => 'ok').catch((error) => error.code)
  return {
    check: await outcome(provider.check()),
    list: await outcome(provider.list(list)),
    read: await outcome(provider.read('a').then(({ body }) => text(body))),
    write: await outcome(provider.write('new', Buffer.from('x'))),
    remove: await outcome(provider.remove('new')),
  }
}
const all = (code: string) => ({ check: code, list: code, read: code, write: code, remove: code })

describe('Azure Blob: who may do what', () => {
  test('a wrong account key is BAD_CREDENTIALS', async () => {
    const { open } = await placeOf(server, { a: 'hello' })
    expect(await outcomes(await open({}, { accountKey: otherKey }))).toEqual(all('BAD_CREDENTIALS'))
  })

  test('a container that does not exist is NO_SUCH_BUCKET, named in the message', async () => {
    const { open } = await placeOf(server)
    const provider = await open({ container: 'not-there' })
    expect(await outcomes(provider)).toEqual(all('NO_SUCH_BUCKET'))
    await expect(provider.check()).rejects.toThrow('"not-there"')
  })

  test.for([
    { may: 'racwdl', expected: all('ok') },
    { may: 'rl', expected: { ...all('ok'), write: 'DENIED', remove: 'DENIED' } },
    { may: 'r', expected: { ...all('DENIED'), read: 'ok' } },
    { may: 'l', expected: { ...all('DENIED'), check: 'ok', list: 'ok' } },
  ])('a SAS token does what it may, $may, and is DENIED the rest', async ({ may, expected }) => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    expect(await outcomes(await open({}, { sasToken: sasFor(client, may) }))).toEqual(expected)
    expect(await outcomes(await open({}, { sasToken: `?${sasFor(client, may)}` }))).toEqual(expected)
  })

  test('a SAS token that has expired is BAD_CREDENTIALS and says since when', async () => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    const provider = await open({}, { sasToken: sasFor(client, 'rl', -60) })
    expect(await outcomes(provider)).toEqual(all('BAD_CREDENTIALS'))
    await expect(provider.check()).rejects.toThrow(/expired at 20/)
    await expect(provider.presign!('a', { ttlSeconds: 60 })).rejects.toMatchObject({ code: 'BAD_CREDENTIALS' })
  })

  test('a SAS token that was changed is BAD_CREDENTIALS', async () => {
    const { open, client } = await placeOf(server, { a: 'hello' })
    const sasToken = sasFor(client, 'rl').replace('sp=rl', 'sp=rwl')
    expect(await outcomes(await open({}, { sasToken }))).toEqual(all('BAD_CREDENTIALS'))
  })

  test('an anonymous storage reads a public container, and is DENIED a private one and every write', async () => {
    const readOnly = { ...all('ok'), write: 'DENIED', remove: 'DENIED' }
    const { open, client } = await placeOf(server, { a: 'hello' })
    const provider = await open({ anonymous: true }, {})
    expect(await outcomes(provider)).toEqual(all('DENIED'))
    await client.setAccessPolicy('container')
    expect(await outcomes(provider)).toEqual(readOnly)
    const url = await provider.presign!('a', { ttlSeconds: 60 })
    expect([url.search, await (await fetch(url)).text()]).toEqual(['', 'hello'])
  })

  test('no secret stands in a fault, however it is printed', async () => {
    const { open, client } = await placeOf(server)
    const sasToken = sasFor(client, 'l', -60)
    const signature = new URLSearchParams(sasToken).get('sig')!
    for (const [secrets, secret] of [
      [{ accountKey: otherKey }, otherKey],
      [{ sasToken }, signature],
    ] as const) {
      const fault = await (await open({}, secrets)).check().catch((error: unknown) => error)
      const printed = [describeError(fault), inspect(fault, { depth: 9 }), JSON.stringify(fault), String(fault)].join()
      expect(printed).not.toContain(secret)
      expect(printed).not.toContain(encodeURIComponent(secret))
    }
  })
})

describe('Azure Blob: signed URLs by SAS token', () => {
  test.for(['rl', 'r'])('one that only reads, sp=%s, is what URLs are signed with', async (may) => {
    const { open, client } = await placeOf(server, { 'ä b.txt': 'hello' })
    const sasToken = sasFor(client, may)
    const url = await (await open({}, { sasToken })).presign!('ä b.txt', { ttlSeconds: 60 })
    expect(await (await fetch(url)).text()).toBe('hello')
    expect(url.searchParams.get('sig')).toBe(new URLSearchParams(sasToken).get('sig'))
  })

  test.for(['racwdl', 'rw', 'rd', 'l'])('one that may do other things, sp=%s, is not handed out', async (may) => {
    const { open, client } = await placeOf(server)
    expect((await open({}, { sasToken: sasFor(client, may) })).presign).toBeUndefined()
  })

  test('one of which only a stored access policy knows what it may is not handed out', async () => {
    const { open } = await placeOf(server)
    expect((await open({}, { sasToken: 'si=policy&sr=c&sig=abc' })).presign).toBeUndefined()
  })
})

describe('Azure Blob: what a failing connection is called', () => {
  const { account, accountKey } = { account: 'account', accountKey: otherKey }

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

  test('a host that takes up no connection is given up after five seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const lookup = () => {}
    const request = get('http://storage.invalid', { agent: socketPool('http://storage.invalid'), lookup })
    const failed = once(request, 'error')
    await once(request, 'socket')
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
    { status: 409, name: 'BlobArchived', code: 'DENIED' },
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
  ])('one $what is not seen outside', async ({ fault }) => {
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
  ])('$what without end is $code after some tries', async ({ fault, code }) => {
    const { front, provider } = await fronted(server)
    const endless = front.fail({ ...fault, times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code, retryable: true })
    expect(endless.hits).toBe(4)
  })

  test('the storage is left alone for as long as it asks', async () => {
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
