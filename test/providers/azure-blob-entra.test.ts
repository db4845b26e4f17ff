import { text } from 'node:stream/consumers'
import { setDefaultCACertificates } from 'node:tls'
import { inspect } from 'node:util'
import type { UserDelegationKey } from '@azure/storage-blob'
import { type AzureServer, startAzure } from '@sluice/testkit/azure.ts'
import { makeCertificate } from '@sluice/testkit/certificate.ts'
import { type Entra, startEntra } from '@sluice/testkit/entra.ts'
import { freePort } from '@sluice/testkit/free-port.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { describeError } from '../../src/errors.ts'
import { azureBlob } from '../../src/providers/azure-blob/kind.ts'
import { delegationKeys } from '../../src/providers/azure-blob/signed-url.ts'
import { createEgress } from '../../src/security/egress.ts'
import { open, placeOf } from './azure-place.ts'

let server: AzureServer
let entra: Entra

beforeAll(async () => {
  const tls = makeCertificate()
  setDefaultCACertificates([tls.cert])
  server = await startAzure({ tls })
  entra = await startEntra(tls)
  vi.stubEnv('AZURE_AUTHORITY_HOST', entra.authorityHost)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await Promise.all([server.stop(), entra.stop()])
})

/** A container with one object, as a service principal sees it. */
async function principalPlace(objects: Record<string, string>) {
  const { location } = await placeOf(server, objects)
  const principal = { ...location, tenantId: 'adfs', clientId: entra.clientId }
  return { principal, provider: await open(principal, { clientSecret: entra.clientSecret }) }
}

describe('Azure Blob: a service principal', () => {
  test('lists, reads, writes and removes with one token', async () => {
    const { provider } = await principalPlace({ a: 'hello' })
    const before = entra.tokens
    await provider.check()
    expect(await text((await provider.read('a')).body)).toBe('hello')
    await provider.write('b', Buffer.from('x'))
    await provider.remove('b')
    const { objects } = await provider.list({ cursor: null, limit: 9, recursive: true })
    expect(objects.map((object) => object.key)).toEqual(['a'])
    expect(entra.tokens - before).toBe(1)
  })

  test('in the environment of the server is found by the default chain', async () => {
    vi.stubEnv('AZURE_TENANT_ID', 'adfs')
    vi.stubEnv('AZURE_CLIENT_ID', entra.clientId)
    vi.stubEnv('AZURE_CLIENT_SECRET', entra.clientSecret)
    onTestFinished(() => {
      for (const name of ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET']) vi.stubEnv(name, undefined)
    })
    const { location } = await placeOf(server, { a: 'hello' })
    const provider = await open(location, {})
    expect(await text((await provider.read('a')).body)).toBe('hello')
    const url = await provider.presign!('a', { ttlSeconds: 60 })
    expect(await (await fetch(url)).text()).toBe('hello')
  })

  test('signs URLs with a delegation key that Azurite accepts', async () => {
    const { provider } = await principalPlace({ 'a photo.jpg': 'pixels' })
    const url = await provider.presign!('a photo.jpg', { ttlSeconds: 60 })
    const answer = await fetch(url)
    expect([answer.status, await answer.text(), answer.headers.get('content-type')]).toEqual([
      200,
      'pixels',
      'image/jpeg',
    ])
    expect(url.searchParams.get('skoid')).toBeTruthy()
    const other = new URL(url)
    other.searchParams.set('se', '2099-01-01T00:00:00Z')
    expect((await fetch(other)).status).toBe(403)
  })

  test('with a wrong secret is BAD_CREDENTIALS, and no message contains the secret', async () => {
    const { principal } = await principalPlace({})
    const provider = await open(principal, { clientSecret: 'wrong~secret' })
    const fault = await provider.check().catch((error: unknown) => error)
    expect(fault).toMatchObject({ code: 'BAD_CREDENTIALS', message: expect.stringContaining('Microsoft Entra') })
    expect(describeError(fault) + inspect(fault, { depth: 9 }) + JSON.stringify(fault)).not.toContain('wrong~secret')
  })

  test('whose sign-in address is blocked is BLOCKED_ADDRESS, which names the setting, at the first try', async () => {
    const { principal } = await principalPlace({})
    vi.stubEnv('AZURE_AUTHORITY_HOST', 'https://127.99.0.1')
    onTestFinished(() => void vi.stubEnv('AZURE_AUTHORITY_HOST', entra.authorityHost))
    const egress = createEgress({ isLocal: true, allowed: [], blocked: ['127.99.0.0/16'] })
    const secrets = azureBlob.secrets.parse({ clientSecret: entra.clientSecret })
    const provider = await azureBlob.open(azureBlob.location.parse(principal), secrets, { egress })
    onTestFinished(() => provider.close())
    await expect(provider.check()).rejects.toMatchObject({
      code: 'BLOCKED_ADDRESS',
      message: expect.stringContaining('EGRESS_BLOCKED'),
    })
  })
})

describe('Azure Blob: the delegation key of a principal', () => {
  const hourMs = 3_600_000
  const dayMs = 24 * hourMs

  /** Keys that stand for the time at which they were asked for, by a clock that only moves when told to. */
  function keysAt(start: number) {
    const state = { now: start, isDown: false, asked: [] as { from: Date; to: Date }[] }
    const keyFor = delegationKeys(
      async (from, to) => {
        state.asked.push({ from, to })
        if (state.isDown) throw new Error('down')
        return { value: String(state.asked.length), signedExpiresOn: to } as UserDelegationKey
      },
      () => state.now,
    )
    return { state, value: async (ttlSeconds: number) => (await keyFor(ttlSeconds)).value }
  }

  test('is requested once by concurrent callers, for the 7 days that Azure allows', async () => {
    const { state, value } = keysAt(0)
    expect(new Set(await Promise.all(Array.from({ length: 50 }, () => value(900))))).toEqual(new Set(['1']))
    const [{ from, to }] = state.asked as [{ from: Date; to: Date }]
    expect(from.getTime()).toBeLessThan(0)
    expect(to.getTime()).toBeLessThanOrEqual(7 * dayMs)
    expect(to.getTime()).toBeGreaterThan(6.9 * dayMs)
  })

  test('is renewed before a URL would outlive it', async () => {
    const { state, value } = keysAt(0)
    expect(await value(900)).toBe('1')
    state.now = 6.98 * dayMs
    expect(await value(60)).toBe('1')
    expect(await value(900)).toBe('2')
    expect(await value(900)).toBe('2')
  })

  test('is renewed if it begins in the future, because the clock was ahead when it was requested', async () => {
    const { state, value } = keysAt(dayMs)
    expect(await value(900)).toBe('1')
    state.now = 0
    expect(await value(900)).toBe('2')
    expect(await value(900)).toBe('2')
  })

  test('is renewed at most once an hour for URLs that outlive any key', async () => {
    const { state, value } = keysAt(0)
    const week = 7 * 24 * 3600
    expect(await value(week)).toBe('1')
    state.now = hourMs - 1
    expect(await value(week)).toBe('1')
    state.now = hourMs
    expect(await value(week)).toBe('2')
    expect(state.asked).toHaveLength(2)
  })

  test('is requested again after a failure; the old one is used while it is valid', async () => {
    const { state, value } = keysAt(0)
    state.isDown = true
    await expect(value(900)).rejects.toThrow('down')
    state.isDown = false
    expect(await value(900)).toBe('2')
    state.now = 6.98 * dayMs
    state.isDown = true
    await expect(value(900)).rejects.toThrow('down')
    expect(await value(60)).toBe('2')
  })

  test('limits the lifetime of its URLs', async () => {
    const { provider } = await principalPlace({ a: 'hello' })
    const url = await provider.presign!('a', { ttlSeconds: 30 * 24 * 3600 })
    const [ends, keyEnds] = ['se', 'ske'].map((name) => Date.parse(url.searchParams.get(name)!)) as [number, number]
    expect(ends).toBe(keyEnds)
    expect((await fetch(url)).status).toBe(200)
  })
})

test('Azure Blob: an unreachable Microsoft Entra is UNREACHABLE within seconds, not BAD_CREDENTIALS', async () => {
  const { principal } = await principalPlace({})
  vi.stubEnv('AZURE_AUTHORITY_HOST', `https://127.0.0.1:${await freePort()}`)
  onTestFinished(() => void vi.stubEnv('AZURE_AUTHORITY_HOST', entra.authorityHost))
  const provider = await open(principal, { clientSecret: entra.clientSecret })
  const since = performance.now()
  await expect(provider.check()).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('Entra'),
  })
  expect(performance.now() - since).toBeLessThan(15_000)
})
