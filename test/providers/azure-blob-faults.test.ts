import { once } from 'node:events'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { socketPool } from '../../src/providers/azure-blob/sockets.ts'
import { networkError } from '../../src/providers/network-error.ts'
import { createEgress } from '../../src/security/egress.ts'
import { fronted, open } from './azure-place.ts'

let server: AzureServer

beforeAll(async () => {
  server = await startAzure()
})
afterAll(() => server.stop())

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
  test('an abort ends the wait before the next try', async () => {
    const { front, provider } = await fronted(server)
    const busy = front.fail({ status: 503, code: 'ServerBusy', headers: { 'retry-after': '9' }, times: Infinity })
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const waiting = provider.check(controller.signal)
    await Promise.all([expect(waiting).rejects.toBe(reason), busy.met.then(() => controller.abort(reason))])
  })
})
