import { buffer, text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { describeProvider } from '@sluice/testkit/conformance/describe.ts'
import { type GcsServer, startGcs } from '@sluice/testkit/gcs.ts'
import type { GcsRequest } from '@sluice/testkit/gcs-faults.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { gcs } from '../../src/providers/gcs/kind.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { bucketOn, open } from './gcs-place.ts'

let server: GcsServer
let ahead = 0

beforeAll(async () => {
  server = await startGcs({ clock: () => Date.now() + ahead })
})
afterAll(() => server.stop())

describeProvider('GCS', gcs, async () => {
  const { bucket, endpoint, serviceAccountJson } = await bucketOn(server)
  return {
    base: '',
    open: (prefix = '') => open({ bucket, prefix, endpoint }, { serviceAccountJson }),
    put: async (key, body) => server.put(bucket, key, body),
  }
})

async function allKeys(provider: Provider, options: { limit?: number; recursive?: boolean } = {}) {
  const { limit = 1000, recursive = true } = options
  const keys: string[] = []
  let cursor: string | null = null
  do {
    const page = await provider.list({ cursor, limit, recursive })
    keys.push(...page.objects.map(({ key }) => key))
    cursor = page.cursor
  } while (cursor !== null)
  return keys
}

/** How many requests of each kind `act` sends. */
async function requestsOf(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = { ...server.counts }
  await act()
  const now = Object.entries(server.counts).map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
  return Object.fromEntries(now.filter(([, count]) => count > 0))
}

describe('GCS: listing', () => {
  test('3,500 keys take four requests, and one for a token', async () => {
    const { bucket, provider } = await bucketOn(server)
    const names = Array.from({ length: 3500 }, (_, n) => `a/${String(n).padStart(5, '0')}.jpg`)
    for (const name of names) server.put(bucket, name, '')
    let keys: string[] = []
    const requests = await requestsOf(async () => {
      keys = await allKeys(provider)
    })
    expect(keys).toEqual(names)
    expect(requests).toEqual({ token: 1, 'objects.list': 4 })
  })

  test('folders with many objects are skipped, page by page', async () => {
    const { bucket, provider } = await bucketOn(server)
    for (let n = 0; n < 300; n++) server.put(bucket, `dir${n % 3}/${n}`, '')
    server.put(bucket, 'dir1', '')
    server.put(bucket, 'dir10', '')
    const requests = await requestsOf(async () => {
      expect(await allKeys(provider, { limit: 2, recursive: false })).toEqual(['dir1', 'dir10'])
    })
    expect(requests).toEqual({ token: 1, 'objects.list': 3 })
  })

  test('a cursor contains no NUL, which databases refuse', async () => {
    const { provider } = await bucketOn(server, { objects: { a: '', b: '' } })
    const { cursor } = await provider.list({ cursor: null, limit: 1, recursive: true })
    expect(cursor).toEqual(expect.any(String))
    expect(cursor).not.toContain('\0')
  })

  test.for(['x', 'é', '\u007f', '\ud7ff', '\u{10ffff}'])(
    'keys of 1,024 bytes that end with "%s" are listed once each',
    async (last) => {
      const { bucket, provider } = await bucketOn(server)
      const longest = 'k'.repeat(1024 - Buffer.byteLength(last)) + last
      const names = [longest.slice(0, -last.length), longest, `${longest.slice(0, -last.length - 1)}l`]
      for (const name of names) server.put(bucket, name, '')
      expect(await allKeys(provider, { limit: 1 })).toEqual(names)
    },
  )

  test('an empty page in the middle does not end the listing', async () => {
    const { provider } = await bucketOn(server, { objects: { a: '' } })
    const headers = { 'content-type': 'application/json' }
    const match = ({ operation }: GcsRequest) => operation === 'objects.list'
    server.fail({ match, answer: { status: 200, headers, body: '{"nextPageToken":"AA=="}' } })
    expect(await allKeys(provider)).toEqual(['a'])
  })

  test.for(['{"nextPageToken":"AA=="}', '{"nextPageToken":"AA==","items":[{"name":"a","size":"1","generation":"1"}]}'])(
    'a server that repeats the page %s for ever is UNEXPECTED_ANSWER, not an endless listing',
    async (body) => {
      const { provider } = await bucketOn(server)
      const headers = { 'content-type': 'application/json' }
      const isList = ({ operation }: GcsRequest) => operation === 'objects.list'
      const endless = server.fail({ match: isList, times: Infinity, answer: { status: 200, headers, body } })
      await expect(allKeys(provider)).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
      endless.release()
    },
  )
})

describe("GCS: servers that differ from Google's", () => {
  test('no object is lost if a server returns all folders on the first page, above the limit', async () => {
    const { provider } = await bucketOn(server, { objects: { a: '', 'b/c': '', d: '' } })
    const items = [{ name: 'a', size: '0', generation: '1', updated: '2026-01-01T00:00:00Z' }]
    const body = JSON.stringify({ items, prefixes: ['b/', 'z/'], nextPageToken: 'YQ==' })
    const match = ({ operation }: GcsRequest) => operation === 'objects.list'
    server.fail({ match, answer: { status: 200, headers: { 'content-type': 'application/json' }, body } })
    expect(await allKeys(provider, { limit: 1, recursive: false })).toEqual(['a', 'd'])
  })

  test('a condition that the server ignores is still applied', async () => {
    const { provider } = await bucketOn(server)
    const match = ({ operation }: GcsRequest) => operation === 'media'
    server.fail({ match, answer: { status: 200, headers: { 'x-goog-generation': '2' }, body: 'changed' } })
    await expect(provider.read('a', { ifMatch: '"1"' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  })
})

describe('GCS: a compressed object', () => {
  test('is returned as it is stored, with correct lengths and ranges', async () => {
    const { bucket, provider } = await bucketOn(server)
    const stored = gzipSync('hello '.repeat(1000))
    server.put(bucket, 'a.txt', stored, { contentType: 'text/plain', contentEncoding: 'gzip' })
    const whole = await provider.read('a.txt')
    expect(await buffer(whole.body)).toEqual(stored)
    expect(whole).toMatchObject({ length: stored.length, size: stored.length })
    const part = await provider.read('a.txt', { range: { start: 2, end: 5 } })
    expect(await buffer(part.body)).toEqual(stored.subarray(2, 6))
    expect(part).toMatchObject({ length: 4, size: stored.length, range: { start: 2, end: 5 } })
  })
})

describe('GCS: names that it does not accept', () => {
  test.for(['', '.', '..', 'a\nb', 'a\ud800', '.well-known/acme-challenge/a', 'x'.repeat(1025)])(
    '%j is missing, cannot be written, and no request goes out for it',
    async (key) => {
      const { provider } = await bucketOn(server)
      const requests = await requestsOf(async () => {
        await expect(provider.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
        await provider.remove(key)
        const code = key.length > 1024 ? 'KEY_TOO_LONG' : 'DENIED'
        await expect(provider.write(key, Buffer.from('x'))).rejects.toMatchObject({ code })
      })
      expect(requests).toEqual({})
    },
  )

  test('an etag of another format matches no object', async () => {
    const { provider } = await bucketOn(server, { objects: { a: '' } })
    for (const ifMatch of ['*', '"0"', 'W/"1"', '"CN2Qx"']) {
      await expect(provider.read('a', { ifMatch })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    }
  })

  test('"{{projectId}}", which the SDK replaces, stays in keys and bodies', async () => {
    const { provider } = await bucketOn(server)
    await provider.write('{{projectId}}.txt', Buffer.from('{{projectId}}'))
    expect(await allKeys(provider)).toEqual(['{{projectId}}.txt'])
    expect(await text((await provider.read('{{projectId}}.txt')).body)).toBe('{{projectId}}')
  })
})

describe('GCS: signed URLs', () => {
  test('last at most seven days', async () => {
    const { provider } = await bucketOn(server, { objects: { a: 'a' } })
    const url = await provider.presign!('a', { ttlSeconds: 30 * 24 * 3600 })
    expect(url.searchParams.get('X-Goog-Expires')).toBe('604800')
    expect((await fetch(url)).status).toBe(200)
  })

  test('are valid for their lifetime and not longer', async () => {
    const { provider } = await bucketOn(server, { objects: { a: 'a' } })
    const url = await provider.presign!('a', { ttlSeconds: 600 })
    onTestFinished(() => {
      ahead = 0
    })
    ahead = 590_000
    expect((await fetch(url)).status).toBe(200)
    ahead = 602_000
    const answer = await fetch(url)
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('ExpiredToken')])
  })

  test('are created without a request, and point to the endpoint', async () => {
    const { provider, endpoint } = await bucketOn(server)
    const requests = await requestsOf(async () => {
      expect((await provider.presign!('not/there', { ttlSeconds: 60 })).origin).toBe(endpoint)
    })
    expect(requests).toEqual({})
  })
})
