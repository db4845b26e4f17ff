import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { isCloudHost } from '../../src/providers/kit/cloud-hosts.ts'
import { hasDotSegments } from '../../src/providers/kit/dot-segments.ts'
import { guardProvider } from '../../src/providers/kit/guard.ts'
import { readErrorBody, readLimited } from '../../src/providers/kit/limit-body.ts'
import { followListing } from '../../src/providers/kit/list-progress.ts'
import { isJsonWithin, isXmlWithin } from '../../src/providers/kit/parse-limits.ts'
import { remoteDetail, safeRequestId } from '../../src/providers/kit/remote-detail.ts'
import type { ListPage, Provider } from '../../src/providers/provider.ts'
import { ReplyLimits } from '../../src/providers/redis/reply-limits.ts'

/** A body that never ends, and how many bytes of it were taken. */
function endless() {
  let taken = 0
  const body = new Readable({
    read() {
      taken += 65_536
      this.push(Buffer.alloc(65_536, 'a'))
    },
  })
  return { body, taken: () => taken }
}

describe('response bodies', () => {
  it('of errors are read up to 64 KiB, and the connection is closed', async () => {
    const { body, taken } = endless()
    const { bytes, isWhole } = await readErrorBody(body)
    expect([bytes.length, isWhole, body.destroyed]).toEqual([64 * 1024, false, true])
    expect(taken()).toBeLessThan(640 * 1024)
  })

  it('beyond the limit are REMOTE_RESPONSE_TOO_LARGE, and the connection is closed', async () => {
    const { body } = endless()
    await expect(readLimited(body, { maxBytes: 100_000 })).rejects.toMatchObject({ code: 'REMOTE_RESPONSE_TOO_LARGE' })
    expect(body.destroyed).toBe(true)
  })

  it('that arrive too slowly are TIMEOUT', async () => {
    const body = new Readable({ read() {} })
    body.push('a')
    await expect(readLimited(body, { maxBytes: 100, timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(body.destroyed).toBe(true)
  })

  it('that break off reject', async () => {
    const body = new Readable({ read() {} })
    const reading = readLimited(body, { maxBytes: 100 })
    body.destroy()
    await expect(reading).rejects.toMatchObject({ code: 'BODY_CUT' })
  })
})

describe('parsers receive only bounded input', () => {
  const modesty = { maxParts: 10, maxDepth: 3 }
  it.each([
    ['<a><b>x</b></a>', true],
    ['<?xml version="1.0"?><a/>', true],
    ['<a/>'.repeat(11), false],
    ['<a><a><a><a></a></a></a></a>', false],
    ['<!DOCTYPE a><a/>', false],
    ['<!-- x --><a/>', false],
    ['<a', false],
  ])('XML %s: %s', (xml, expected) => expect(isXmlWithin(Buffer.from(xml), modesty)).toBe(expected))

  it.each([
    ['{"a":[1,2]}', true],
    ['{"a":"[[[[[[[[[,,,,,,,,,,,,,,,"}', true],
    ['{"a":"\\\\\\"[[[["}', true],
    ['[[[[]]]]', false],
    ['[1,2,3,4,5,6,7,8,9,10,11]', false],
    ['{"a":"x', false],
  ])('JSON %s: %s', (json, expected) => expect(isJsonWithin(Buffer.from(json), modesty)).toBe(expected))
})

describe('keys with dot segments', () => {
  it.each(['.', '..', 'pub/../x', './x', 'x/.', 'x/..', '/../x', 'a\\..\\b'])('%s', (key) =>
    expect(hasDotSegments(key)).toBe(true),
  )
  it.each(['', 'a.b', '...', 'a/...', '.well-known/x', 'a/.hidden', 'a..b/c', 'x/%2e%2e/y', '%2e'])('not %s', (key) =>
    expect(hasDotSegments(key)).toBe(false),
  )

  it.each([
    ['AWS', undefined, true],
    ['AWS', 'https://s3.eu-west-1.amazonaws.com', true],
    ['AWS', 'http://s3.eu-west-1.amazonaws.com', false],
    ['AWS', 'https://s3.amazonaws.com.evil.example', false],
    ['AWS', 'https://evilamazonaws.com', false],
    ['AWS', 'https://s3.dualstack.us-gov-west-1.amazonaws.com', true],
    ['AWS', 'https://s3.cn-north-1.amazonaws.com.cn', true],
    // Customers of AWS choose what answers here.
    ['AWS', 'https://a1b2c3.execute-api.eu-west-1.amazonaws.com', false],
    ['AWS', 'https://search-x.eu-west-1.es.amazonaws.com', false],
    ['AWS', 'https://ec2-203-0-113-5.compute-1.amazonaws.com', false],
    ['AWS', 'https://s3.eu-west-1.amazonaws.com:8443', false],
    ['AWS', 'https://s3.eu-west-1.amazonaws.com/other-bucket', false],
    ['GOOGLE', 'https://storage.googleapis.com', true],
    ['GOOGLE', 'https://storage.example', false],
    ['AZURE', 'https://a.blob.core.windows.net', true],
    ['AZURE', 'no url', false],
  ] as const)('the own hosts of %s: %s is %s', (cloud, endpoint, expected) =>
    expect(isCloudHost(cloud, endpoint)).toBe(expected),
  )
})

/** A provider whose only method of interest gives what a server sent. */
const provider = (methods: Partial<Record<keyof Provider, unknown>>) => methods as unknown as Provider
const object = { key: 'a', size: 1, etag: '"1"', lastModified: new Date() }
const asked = { cursor: 'c', limit: 2, recursive: true }

describe('values that a provider returns are checked', () => {
  it.each([
    ['more keys than requested', { objects: [object, object, object] }, 'REMOTE_RESPONSE_TOO_LARGE'],
    ['a size that is no number', { objects: [{ ...object, size: Number.NaN }] }, 'UNEXPECTED_ANSWER'],
    ['a negative size', { objects: [{ ...object, size: -1 }] }, 'UNEXPECTED_ANSWER'],
    ['a time that is none', { objects: [{ ...object, lastModified: new Date('x') }] }, 'UNEXPECTED_ANSWER'],
    ['a key that is no text', { objects: [{ ...object, key: 7 }] }, 'UNEXPECTED_ANSWER'],
    ['an endless etag', { objects: [{ ...object, etag: 'e'.repeat(5_000) }] }, 'UNEXPECTED_ANSWER'],
    ['the same cursor', { objects: [object], cursor: 'c' }, 'UNEXPECTED_ANSWER'],
  ])('a page with %s', async (_name, page, code) => {
    const guarded = guardProvider(provider({ list: async () => ({ cursor: null, ...page }) }), {
      sendsDotSegments: false,
    })
    await expect(guarded.list(asked)).rejects.toMatchObject({ code })
  })

  it.each([{ length: Number.NaN }, { size: -1 }, { range: { start: 5, end: 1 } }, { range: { start: 0, end: 9 } }])(
    'a body of %o is refused and closed',
    async (wrong) => {
      const body = Readable.from(['x'])
      const opened = { body, length: 1, size: 1, etag: null, lastModified: null, contentType: null, ...wrong }
      const guarded = guardProvider(provider({ read: async () => opened }), { sendsDotSegments: false })
      await expect(guarded.read('a')).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
      expect(body.destroyed).toBe(true)
    },
  )

  it.each(['read', 'head', 'write', 'remove', 'presign'] as const)(
    '%s sends no key with dot segments',
    async (method) => {
      const inner = provider({ [method]: () => Promise.reject(new Error('was sent')) })
      const call = (guarded: Provider) => (guarded[method] as (key: string) => Promise<unknown>)('pub/../secret')
      await expect(call(guardProvider(inner, { sendsDotSegments: false }))).rejects.toMatchObject({
        code: 'KEY_HAS_DOT_SEGMENTS',
      })
      await expect(call(guardProvider(inner, { sendsDotSegments: true }))).rejects.toThrow('was sent')
    },
  )
})

describe('a listing that never ends is detected', () => {
  const pageOf = (keys: string[], cursor: string): ListPage => ({
    objects: keys.map((key) => ({ ...object, key })),
    cursor,
  })
  /** Number of pages after which it was noticed. */
  const pagesOf = (ordered: boolean, page: (n: number) => ListPage) => {
    const progress = followListing({ ordered })
    for (let n = 0; n < 5_000; n++) {
      try {
        progress.add(page(n))
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNEXPECTED_ANSWER' })
        return n
      }
    }
    return undefined
  }
  const name = (n: number) => `k${String(n).padStart(9, '0')}`
  it.each([
    ['keys descend', true, (n: number) => pageOf([name(9e8 - 2 * n), name(9e8 - 2 * n - 1)], name(9e8 - 2 * n - 1))],
    ['pages come again with other cursors', false, (n: number) => pageOf(['a', 'b'], name(n))],
    ['pages are empty', false, (n: number) => pageOf([], name(n))],
    ['cursors go in a circle', false, (n: number) => pageOf([name(n)], name(n % 7))],
  ])('%s', (_name, ordered, page) => expect(pagesOf(ordered, page)).toBeLessThanOrEqual(1_001))

  it.each([
    ['in order', true, (n: number) => pageOf([name(n)], name(n))],
    ['in no order', false, (n: number) => pageOf([name((n * 7_919) % 100_003)], name(n))],
  ])('with new keys %s it continues', (_name, ordered, page) => expect(pagesOf(ordered, page)).toBeUndefined())
})

describe('the disclosed part of a response', () => {
  it('is the status, a known code and a request id', () => {
    const known = new Set(['AccessDenied'])
    expect(remoteDetail({ status: 403, code: 'AccessDenied', known, requestId: 'A1' })).toEqual({
      ...{ status: 403, code: 'AccessDenied' },
      requestId: 'A1',
    })
    expect(remoteDetail({ status: 403, code: 'secret words', known })).toEqual({ status: 403, code: 'an unknown code' })
    expect(remoteDetail({ status: 99_999, code: { a: 1 }, known })).toEqual({ code: 'an unknown code' })
  })

  it.each([
    ['4442587FB7D0A2F9', 'GET /x', '4442587FB7D0A2F9'],
    ['with space', '', undefined],
    ['', '', undefined],
    ['a'.repeat(65), '', undefined],
    [7, '', undefined],
    ['secret-token', 'authorization: Bearer secret-token', undefined],
    ['x-secret-token-x', 'authorization: secret-token', undefined],
    ['SECRET-TOKEN', 'secret-token', undefined],
    ['a+b/c=secret', 'sig=a%2Bb%2Fc%3Dsecret', undefined],
  ])('request id %s', (id, sent, expected) => expect(safeRequestId(id, sent)).toBe(expected))
})

describe('replies of Redis', () => {
  it.each([
    ['a huge string', '$314572800\r\n'],
    ['a huge array', '*30000000\r\n'],
    ['a huge array inside another', '*2\r\n$1\r\n0\r\n*30000000\r\n'],
    ['deep arrays', '*1\r\n'.repeat(100)],
    ['an endless line', `+${'a'.repeat(70_000)}`],
    ['many strings in one reply', `*4000\r\n${`$2000\r\n${'a'.repeat(2_000)}\r\n`.repeat(3_000)}`],
  ])('%s is REMOTE_RESPONSE_TOO_LARGE, in whatever pieces it arrives', (_name, text) => {
    for (const size of [1_000_000_000, 1_000, 7]) {
      const take = () => {
        const limits = new ReplyLimits()
        for (let at = 0; at < text.length; at += size) limits.take(Buffer.from(text.slice(at, at + size)))
      }
      expect(take).toThrowError(expect.objectContaining({ code: 'REMOTE_RESPONSE_TOO_LARGE' }))
    }
  })

  // The client's decoder ends a line at any \r, skips four bytes for a null, and reads lengths digit by digit.
  it.each([
    ['a line that ends without CR', '+a\n$30\r\n*30000000\r\n'],
    ['a line with a CR inside', '+a\rX*30000000\r\n'],
    ['a number with a CR inside', ':1\rX*30000000\r\n'],
    ['a length with a CR inside', '$1\r0*30000000\r\n'],
    ['a length with an exponent', '$1e6\r\n'],
    ['a length in hexadecimal', '$0x10\r\n'],
    ['a length with a fraction', '$2.5\r\n'],
    ['a length with a sign', '*+5\r\n'],
    ['a length with spaces', '$ 5\r\n'],
    ['no length', '*\r\n'],
    ['a null that goes on', '$-abc*30000000\r\n'],
    ['a null array that goes on', '*-2*30000000\r\n'],
  ])('%s is UNEXPECTED_ANSWER, because the client would parse it in another way than the limits do', (_name, text) => {
    for (const size of [1_000, 1]) {
      const take = () => {
        const limits = new ReplyLimits()
        for (let at = 0; at < text.length; at += size) limits.take(Buffer.from(text.slice(at, at + size)))
      }
      expect(take).toThrowError(expect.objectContaining({ code: 'UNEXPECTED_ANSWER' }))
    }
  })

  it('that are valid pass, even if they contain bytes that look like replies', () => {
    const text = `+OK\r\n$10\r\n*3000000\r\n\r\n:1\r\n*2\r\n$1\r\n0\r\n*2\r\n$-1\r\n$0\r\n\r\n-ERR x\r\n`
    for (const size of [1, 3, 1_000]) {
      const limits = new ReplyLimits()
      for (let n = 0; n < 100; n++)
        for (let at = 0; at < text.length; at += size) limits.take(Buffer.from(text.slice(at, at + size)))
    }
  })
})
