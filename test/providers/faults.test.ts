import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { freePort } from '@sluice/testkit/free-port.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { type FaultyKind, type FaultyServer, httpKinds, type Operation } from './http-faults.ts'

const firstPage = { cursor: null, limit: 1, recursive: true }

const methods: { what: string; run: (provider: Provider, signal?: AbortSignal) => Promise<unknown> }[] = [
  { what: 'check', run: (provider, signal) => provider.check(signal) },
  { what: 'list', run: (provider, signal) => provider.list({ ...firstPage, ...(signal && { signal }) }) },
  { what: 'read', run: (provider, signal) => provider.read('a', { signal }) },
  { what: 'read of the end', run: (provider, signal) => provider.read('a', { range: { suffix: 1 }, signal }) },
  { what: 'write', run: (provider, signal) => provider.write('a', Buffer.from('x'), { signal }) },
  { what: 'remove', run: (provider, signal) => provider.remove('a', signal) },
]

const operations: Operation[] = ['read', 'list', 'write', 'remove']

const pages = [
  {
    what: 'a page',
    status: 200,
    body: '<!doctype html><html><head><meta charset=utf-8></head><body><br></body></html>',
  },
  { what: 'a well-formed page', status: 200, body: '<html><head><title>Console</title></head><body/></html>' },
  { what: 'a page about 404', status: 404, body: '<html><body>Not Found</body></html>' },
  { what: 'a page about 403', status: 403, body: '<html><body>Forbidden</body></html>' },
  { what: 'a redirect to a login page', status: 302, body: '<html><body>Moved</body></html>' },
]

const page = { headers: { 'content-type': 'text/html' }, body: '<html><body>Come back later<br></body></html>' }
const ofProxies: FaultyKind['transient'] = [
  { what: 'a 429 page of a proxy', fault: { answer: { status: 429, ...page } }, code: 'THROTTLED' },
  { what: 'a 502 page of a proxy', fault: { answer: { status: 502, ...page } }, code: 'UNREACHABLE' },
  { what: 'a reset connection', fault: { reset: true }, code: 'UNREACHABLE' },
]

describe.each(httpKinds)('$name', ({ start, openAt, refusals, transient, foreign }) => {
  let server: FaultyServer
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server?.stop())

  // A retry waits a random part of a backoff.
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('a port where nothing listens is CONNECTION_REFUSED', async () => {
    const provider = await openAt(`http://127.0.0.1:${await freePort()}`)
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
  })

  test('a host name without an address is UNRESOLVABLE_HOST', async () => {
    const provider = await openAt('http://no-such-host.invalid')
    await expect(provider.check()).rejects.toMatchObject({ code: 'UNRESOLVABLE_HOST' })
  })

  test('TLS spoken to a plain HTTP port is TLS_FAILED', async () => {
    const provider = await openAt(`https://127.0.0.1:${server.port}`)
    await expect(provider.check()).rejects.toMatchObject({ code: 'TLS_FAILED' })
  })

  test.for([...pages, ...foreign])('$what answered by a website is CONSOLE_URL', async ({ status, body }) => {
    const website = createServer((_request, response) =>
      response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', location: '/login' }).end(body),
    )
    await new Promise<void>((done) => website.listen(0, '127.0.0.1', done))
    onTestFinished(() => void website.close())
    const provider = await openAt(`http://127.0.0.1:${(website.address() as AddressInfo).port}`)
    await expect(provider.check()).rejects.toMatchObject({ code: 'CONSOLE_URL' })
    await expect(provider.list(firstPage)).rejects.toMatchObject({ code: 'CONSOLE_URL' })
  })

  test.for(refusals)('the answer $status $name is $code to each call', async ({ code, ...refusal }) => {
    const { provider, fail } = await server.connect()
    fail(refusal, { times: Infinity })
    for (const { what, run } of methods) await expect(run(provider), what).rejects.toMatchObject({ code })
  })

  test.for([...transient, ...ofProxies])('one $what is hidden by a retry', async ({ fault, unnamedIn = [] }) => {
    const { provider, fail } = await server.connect({ a: 'hello' })
    const failing = operations.filter((operation) => !unnamedIn.includes(operation))
    const faults = failing.map((operation) => fail(fault, { operation }))
    expect(await text((await provider.read('a')).body)).toBe('hello')
    await provider.write('b', Buffer.from('x'))
    expect((await provider.list({ ...firstPage, limit: 9 })).objects).toHaveLength(2)
    await provider.remove('b')
    expect(faults.map(({ hits }) => hits)).toEqual(failing.map(() => 1))
  })

  test.for([...transient, ...ofProxies])('permanent $what is $code after three retries', async ({ fault, code }) => {
    const { provider, fail } = await server.connect()
    const endless = fail(fault, { times: Infinity })
    await expect(provider.check()).rejects.toMatchObject({ code, retryable: true })
    expect(endless.hits).toBe(4)
  })

  test('a body that is cut by the network fails instead of ending', async () => {
    const { provider, fail } = await server.connect({ a: 'x'.repeat(100_000) })
    fail({ cutAfterBytes: 1000 })
    const { body, length } = await provider.read('a')
    expect(length).toBe(100_000)
    await expect(text(body)).rejects.toThrow()
  })

  test.for(methods)('an abort ends $what with the reason and closes the connection', async ({ run }) => {
    const { provider, fail } = await server.connect()
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
})
