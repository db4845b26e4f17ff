import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { buffer, text } from 'node:stream/consumers'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describeProvider } from '@sluice/testkit/conformance/describe.ts'
import { type RedisServer, startRedis } from '@sluice/testkit/redis.ts'
import { tlsFiles } from '@sluice/testkit/redis-small.ts'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ByteRange } from '../../src/providers/provider.ts'
import { redis } from '../../src/providers/redis/kind.ts'
import { allKeys, open } from './redis-place.ts'

let server: RedisServer
let databases = 0

beforeAll(async () => {
  server = await startRedis({ databases: 500 })
})
afterAll(() => server.stop())

describeProvider('Redis', redis, async () => {
  const { host, port } = server
  const db = ++databases
  const client = server.client(db)
  return {
    base: '',
    open: (path = '') => open({ host, port, db, path }),
    put: async (key, body) => void (await client.set(key, body)),
  }
})

/** A new database, opened, and a client beside it. */
async function newDatabase() {
  const { host, port } = server
  const db = ++databases
  const client = server.client(db)
  onTestFinished(() => client.disconnect())
  return { client, place: { host, port, db }, provider: await open({ host, port, db }) }
}

describe('Redis: listing', () => {
  test('characters that are special to MATCH are literal in the path', async () => {
    const { client, place } = await newDatabase()
    for (const key of ['a*[b]?\\^-c/1', 'axb-c/2', 'a*b?\\^-c/3']) await client.set(key, '')
    const provider = await open({ ...place, path: 'a*[b]?\\^-c' })
    expect(await allKeys(provider)).toEqual(['a*[b]?\\^-c/1'])
  })

  test('3,500 keys are listed once each', async () => {
    const { client, provider } = await newDatabase()
    const keys = Array.from({ length: 3500 }, (_, n) => `photos/${n}.jpg`)
    await client.mset(Object.fromEntries(keys.map((key) => [key, 'x'])))
    const listed = await allKeys(provider)
    expect(listed).toHaveLength(3500)
    expect(new Set(listed)).toEqual(new Set(keys))
  })

  test('no permanent key is lost while thousands of others are added and removed', async () => {
    const { client, provider } = await newDatabase()
    const named = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n}`)
    const put = (keys: string[]) => client.mset(Object.fromEntries(keys.map((key) => [key, 'x'])))
    const stays = named('stays', 2000)
    await put([...stays, ...named('goes', 20_000)])
    const found = new Set<string>()
    let cursor: string | null = null
    for (let page = 0; page === 0 || cursor !== null; page++) {
      const answer = await provider.list({ cursor, limit: 1000, recursive: true })
      for (const { key } of answer.objects) found.add(key)
      cursor = answer.cursor
      // The table of keys shrinks, and then grows, under the listing.
      if (page === 2) await client.del(named('goes', 20_000))
      if (page === 3) await put(named('comes', 20_000))
    }
    expect(stays.filter((key) => !found.has(key))).toEqual([])
  })

  test('keys that are not UTF-8 are listed as distinct keys, and cannot be read or written', async () => {
    const { client, provider } = await newDatabase()
    const names = [[0xff], [0xfe], [0x61, 0xc3], [0x61, 0xc3, 0x28, 0xe2, 0x82, 0xac], [0xed, 0xa0, 0x80]].map(
      (bytes) => Buffer.from(bytes),
    )
    for (const name of names) await client.set(name, 'x'.repeat(name.length))
    await client.set('\ufffd', 'text')
    for (const limit of [1, 1000]) {
      const sizes = new Map<string, number>()
      let cursor: string | null = null
      do {
        const page = await provider.list({ cursor, limit, recursive: true })
        for (const { key, size } of page.objects) sizes.set(key, size)
        cursor = page.cursor
      } while (cursor !== null)
      expect(Object.fromEntries(sizes)).toEqual({
        '\udcff': 1,
        '\udcfe': 1,
        'a\udcc3': 2,
        'a\udcc3(€': 6,
        '\udced\udca0\udc80': 3,
        '\ufffd': 4,
      })
    }
    const fault = { code: 'KEY_NOT_TEXT', retryable: false }
    await expect(provider.read('\udcff')).rejects.toMatchObject(fault)
    await expect(provider.write('\udcff', Buffer.from(''))).rejects.toMatchObject(fault)
    await expect(provider.remove('\udcff')).rejects.toMatchObject(fault)
  })
})

describe('Redis: values', () => {
  test('a key of another type is listed, and reading it is WRONG_TYPE', async () => {
    const { client, provider } = await newDatabase()
    await client.rpush('list', 'a', 'b')
    await client.set('string', 'fine')
    const { objects } = await provider.list({ cursor: null, limit: 10, recursive: true })
    expect(Object.fromEntries(objects.map(({ key, size }) => [key, size]))).toEqual({ list: 0, string: 4 })
    const fault = { code: 'WRONG_TYPE', retryable: false }
    await expect(provider.read('list')).rejects.toMatchObject(fault)
    await expect(provider.read('list', { range: { start: 0 } })).rejects.toMatchObject(fault)
    expect(await text((await provider.read('string')).body)).toBe('fine')
  })

  test('ifMatch never matches, since values have no version', async () => {
    const { client, provider } = await newDatabase()
    await client.set('a', 'x')
    await expect(provider.read('a', { ifMatch: '"any"' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await expect(provider.read('b', { ifMatch: '"any"' })).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  })

  const large = randomBytes(10_000_000)
  test.for<{ range?: ByteRange; start: number; end: number }>([
    { start: 0, end: 9_999_999 },
    { range: { start: 1_000_000, end: 8_999_999 }, start: 1_000_000, end: 8_999_999 },
    { range: { suffix: 3_000_000 }, start: 7_000_000, end: 9_999_999 },
    { range: { suffix: 99_000_000 }, start: 0, end: 9_999_999 },
    { range: { start: 9_999_990, end: Number.MAX_SAFE_INTEGER }, start: 9_999_990, end: 9_999_999 },
  ])(
    'of 10 MB, the bytes $start to $end, requested as $range, arrive in slices, complete and in order',
    async ({ range, start, end }) => {
      const { client, provider } = await newDatabase()
      await client.set('large', large)
      const { body, length, size } = await provider.read('large', { range })
      expect([length, size]).toEqual([end - start + 1, 10_000_000])
      const chunks: Buffer[] = []
      for await (const chunk of body) chunks.push(chunk)
      expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(256 * 1024)
      expect(Buffer.concat(chunks).equals(large.subarray(start, end + 1))).toBe(true)
    },
  )

  test.for([262_143, 262_144, 262_145, 524_288])(
    'a value of %i bytes, near the size of a slice, is complete',
    async (size) => {
      const { client, provider } = await newDatabase()
      await client.set('a', large.subarray(0, size))
      const read = await provider.read('a')
      expect([read.size, read.length]).toEqual([size, size])
      expect((await buffer(read.body)).equals(large.subarray(0, size))).toBe(true)
    },
  )

  test('a range that starts above all safe integers is unsatisfiable', async () => {
    const { client, provider } = await newDatabase()
    await client.set('a', 'x')
    const read = provider.read('a', { range: { start: Number.MAX_SAFE_INTEGER } })
    await expect(read).rejects.toMatchObject({ code: 'RANGE_UNSATISFIABLE' })
  })

  test.for([
    { what: 'shortened', change: (client: Redis) => client.set('a', 'short') },
    { what: 'lengthened', change: (client: Redis) => client.append('a', 'more') },
    { what: 'removed', change: (client: Redis) => client.del('a') },
  ])('a large value that is $what while it is read fails instead of ending', async ({ change }) => {
    const { client, provider } = await newDatabase()
    await client.set('a', large)
    const { body } = await provider.read('a')
    await change(client)
    await expect(buffer(body)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', retryable: true })
  })
})

describe('Redis: who may do what', () => {
  const users = {
    reader: { password: 'reader-pass', denied: ['set'] },
    blind: { password: 'blind-pass', denied: ['scan'] },
    sizeless: { password: 'sizeless-pass', denied: ['strlen'] },
    incurious: { password: 'incurious-pass', denied: ['info'] },
  }
  let guarded: RedisServer
  beforeAll(async () => {
    guarded = await startRedis({ password: 'main-pass', users })
    await guarded.client(1).set('a', 'hello')
  })
  afterAll(() => guarded.stop())
  const as = (username: string | undefined, password: string | undefined, db = 1) =>
    open({ host: guarded.host, port: guarded.port, db, username }, { password })

  test.for<{ what: string; who: [string | undefined, string | undefined] }>([
    { what: 'no password', who: [undefined, undefined] },
    { what: 'a wrong password', who: [undefined, 'wrong'] },
    { what: "a user's wrong password", who: ['reader', 'wrong'] },
    { what: 'an unknown user', who: ['nobody', 'main-pass'] },
  ])('$what is BAD_CREDENTIALS', async ({ who }) => {
    const provider = await as(...who)
    const fault = { code: 'BAD_CREDENTIALS', retryable: false }
    await expect(provider.check()).rejects.toMatchObject(fault)
    await expect(provider.list({ cursor: null, limit: 1, recursive: true })).rejects.toMatchObject(fault)
    await expect(provider.read('a')).rejects.toMatchObject(fault)
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject(fault)
  })

  test('a password for a server without a password is BAD_CREDENTIALS, and the message says so', async () => {
    const provider = await open({ host: server.host, port: server.port }, { password: 'needless' })
    const fault = { code: 'BAD_CREDENTIALS', message: expect.stringContaining('has no password') }
    await expect(provider.check()).rejects.toMatchObject(fault)
  })

  test('the correct password works, also for a named user', async () => {
    for (const provider of [await as(undefined, 'main-pass'), await as('reader', 'reader-pass')]) {
      await provider.check()
      expect(await text((await provider.read('a')).body)).toBe('hello')
    }
  })

  test('a command that the user may not run is DENIED, named in the message', async () => {
    const denied = (command: string) => ({ code: 'DENIED', message: expect.stringContaining(command) })
    const list = { cursor: null, limit: 1, recursive: true }
    await expect((await as('reader', 'reader-pass')).write('a', Buffer.from(''))).rejects.toMatchObject(denied('SET'))
    await expect((await as('blind', 'blind-pass')).check()).rejects.toMatchObject(denied('SCAN'))
    await expect((await as('blind', 'blind-pass')).list(list)).rejects.toMatchObject(denied('SCAN'))
    await expect((await as('sizeless', 'sizeless-pass')).list(list)).rejects.toMatchObject(denied('STRLEN'))
  })

  test('a user without the permission for INFO can list and read', async () => {
    const provider = await as('incurious', 'incurious-pass')
    expect(await allKeys(provider, 1)).toEqual(['a'])
    expect(await text((await provider.read('a')).body)).toBe('hello')
  })

  test('a database that the server does not have is NO_SUCH_BUCKET, named in the message', async () => {
    const provider = await as(undefined, 'main-pass', 99)
    const fault = { code: 'NO_SUCH_BUCKET', message: expect.stringContaining('99') }
    await expect(provider.check()).rejects.toMatchObject(fault)
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject(fault)
  })
})

describe('Redis: TLS', () => {
  let secure: RedisServer
  beforeAll(async () => {
    secure = await startRedis({ tls: true })
  })
  afterAll(() => secure.stop())

  test('an untrusted certificate is TLS_FAILED', async () => {
    const provider = await open({ host: secure.host, port: secure.port, tls: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'TLS_FAILED' })
  })

  test('a trusted certificate works', async () => {
    const trusted = getCACertificates('default')
    setDefaultCACertificates([...trusted, readFileSync(tlsFiles.certificate, 'utf8')])
    onTestFinished(() => setDefaultCACertificates(trusted))
    const provider = await open({ host: secure.host, port: secure.port, tls: true })
    await provider.write('a', Buffer.from('hello'))
    expect(await text((await provider.read('a')).body)).toBe('hello')
  })

  test('TLS spoken to a plain port is TLS_FAILED', async () => {
    // The server never answers; the time limit is shortened.
    const { setTimeout } = globalThis
    vi.stubGlobal('setTimeout', (act: () => void, ms: number) => setTimeout(act, ms / 50))
    onTestFinished(() => void vi.unstubAllGlobals())
    const provider = await open({ host: server.host, port: server.port, tls: true })
    await expect(provider.check()).rejects.toMatchObject({ code: 'TLS_FAILED' })
  })

  test('a plain connection to a TLS port is UNREACHABLE, and the message says what may help', async () => {
    const provider = await open({ host: secure.host, port: secure.port })
    const fault = { code: 'UNREACHABLE', message: expect.stringContaining('switch TLS on') }
    await expect(provider.check()).rejects.toMatchObject(fault)
  })
})
