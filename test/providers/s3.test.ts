import { damagedPut } from '@sluice/testkit/conformance/damaged-put.ts'
import { describeProvider } from '@sluice/testkit/conformance/describe.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { startFront } from '@sluice/testkit/s3-front.ts'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { s3 } from '../../src/providers/s3/kind.ts'
import type { S3Location } from '../../src/providers/s3/location.ts'
import { fronted, keyPair, open } from './s3-place.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

describeProvider('S3', s3, async () => {
  const { bucket, endpoint } = await fronted(server, { objectLock: true })
  return {
    base: '',
    open: (prefix = '') => open({ bucket, prefix, endpoint }),
    put: (key, body) => server.put(bucket, key, body),
    putDamaged: damagedPut(s3.location.parse({ bucket, endpoint }) as S3Location, keyPair),
  }
})

describe('S3: listing', () => {
  test('3,500 keys take four requests', async () => {
    const { bucket, front, provider } = await fronted(server)
    await server.seed(bucket, { count: 3500, prefix: 'a/', suffix: '.jpg' })
    const keys = new Set<string>()
    let cursor: string | null = null
    do {
      const page = await provider.list({ cursor, limit: 1000, recursive: true })
      for (const { key } of page.objects) keys.add(key)
      cursor = page.cursor
    } while (cursor !== null)
    expect(keys.size).toBe(3500)
    expect(front.counts).toEqual({ ListObjectsV2: 4 })
  })

  test('a server that repeats its first page for ever is UNEXPECTED_ANSWER, not an endless listing', async () => {
    const { front, provider } = await fronted(server)
    const body =
      '<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>'
    front.fail({ times: Infinity, answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } })
    const { cursor } = await provider.list({ cursor: null, limit: 1, recursive: true })
    const next = provider.list({ cursor, limit: 1, recursive: true })
    await expect(next).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
  })

  test.for(['a+b', 'a%20b', '100%'])('a server that does not encode keys is supported: %s', async (key) => {
    const { front, provider } = await fronted(server)
    const body = `<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>${key}</Key><Size>1</Size></Contents></ListBucketResult>`
    front.fail({ answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } })
    const page = await provider.list({ cursor: null, limit: 10, recursive: true })
    expect(page.objects.map((object) => object.key)).toEqual([key])
  })

  test('a listing in unusual XML is read correctly', async () => {
    const { front, provider } = await fronted(server)
    const body =
      '<ListBucketResult><!-- hello --><IsTruncated>true</IsTruncated><Contents><Key><![CDATA[a&b]]></Key><Size>7</Size>' +
      '<ETag>"e"</ETag><LastModified>2026-01-02T03:04:05+02:00</LastModified></Contents></ListBucketResult>'
    front.fail({ answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } })
    const page = await provider.list({ cursor: null, limit: 10, recursive: true })
    const lastModified = new Date('2026-01-02T01:04:05Z')
    expect(page).toEqual({ objects: [{ key: 'a&b', size: 7, etag: '"e"', lastModified }], cursor: 'a&b' })
  })

  test.for([
    { what: 'a key that is not encoded as it says', contents: '<Key>100%</Key>' },
    { what: 'an object without a key', contents: '<Size>1</Size>' },
  ])('a listing with $what is UNEXPECTED_ANSWER', async ({ contents }) => {
    const { front, provider } = await fronted(server)
    const body =
      '<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>' +
      `<Contents>${contents}</Contents></ListBucketResult>`
    front.fail({ answer: { status: 200, headers: { 'content-type': 'application/xml' }, body } })
    const listed = provider.list({ cursor: null, limit: 10, recursive: true })
    await expect(listed).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER' })
  })
})

describe('S3: signed URLs', () => {
  test('that were changed are refused', async () => {
    const { provider } = await fronted(server, { objects: { 'a.txt': 'a', 'b.txt': 'b' } })
    const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
    expect((await fetch(url)).status).toBe(200)
    const other = new URL(url)
    other.pathname = other.pathname.replace('a.txt', 'b.txt')
    const longer = new URL(url)
    longer.searchParams.set('X-Amz-Expires', '600')
    for (const changed of [other, longer]) {
      const answer = await fetch(changed)
      expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')])
    }
  })

  test('are valid for their lifetime and not longer', async () => {
    let ahead = 0
    const { provider } = await fronted(server, { objects: { a: 'a' }, clock: () => Date.now() + ahead })
    const url = await provider.presign!('a', { ttlSeconds: 600 })
    ahead = 590_000
    expect((await fetch(url)).status).toBe(200)
    ahead = 601_000
    const answer = await fetch(url)
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('Request has expired')])
  })

  test('point to the public endpoint and are signed for it; the provider itself uses the endpoint', async () => {
    const { bucket, front } = await fronted(server, { objects: { a: 'a' } })
    const publicFront = await startFront({ target: server.endpoint, credentials: keyPair })
    onTestFinished(() => publicFront.stop())
    const region = 'us-east-1'
    const provider = await open({ bucket, region, endpoint: front.endpoint, publicEndpoint: publicFront.endpoint })
    const url = await provider.presign!('a', { ttlSeconds: 60 })
    expect(url.origin).toBe(publicFront.endpoint)
    expect(await (await fetch(url)).text()).toBe('a')
    ;(await provider.read('a')).body.destroy()
    expect(front.counts).toEqual({ GetObject: 1 })
    expect(publicFront.counts).toEqual({ GetObject: 1 })
  })

  test('are created without a request', async () => {
    const { front, bucket, endpoint } = await fronted(server)
    const provider = await open({ bucket, endpoint, region: 'us-east-1' })
    await provider.presign!('not/there', { ttlSeconds: 60 })
    expect(front.counts).toEqual({})
  })

  test('without credentials are plain addresses', async () => {
    const { bucket } = await fronted(server, { objects: { 'a b+c.txt': 'a' } })
    const provider = await open({ bucket, endpoint: server.endpoint, anonymous: true }, {})
    const url = await provider.presign!('a b+c.txt', { ttlSeconds: 60 })
    expect(url.href).toBe(`${server.endpoint}/${bucket}/a%20b%2Bc.txt`)
    expect(await (await fetch(url)).text()).toBe('a')
  })
})

describe('S3: incomplete secrets', () => {
  const place = s3.location.parse({ bucket: 'bucket' })
  test.for([
    [{ accessKeyId: 'A' }, ['secretAccessKey']],
    [{ secretAccessKey: 'S' }, ['accessKeyId']],
    [{ sessionToken: 'T' }, ['sessionToken']],
    [keyPair, []],
    [{}, []],
  ] as const)('%o has faults at %o', ([secrets, paths]) => {
    expect(s3.crossCheck!(place, secrets).map((fault) => fault.path)).toEqual(paths)
  })
})
