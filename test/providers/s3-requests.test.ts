import { createHash } from 'node:crypto'
import dns from 'node:dns'
import { text } from 'node:stream/consumers'
import { damagedPut } from '@sluice/testkit/conformance/damaged-put.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type S3Request, startFront } from '@sluice/testkit/s3-front.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { s3 } from '../../src/providers/s3/kind.ts'
import type { S3Location } from '../../src/providers/s3/location.ts'
import { fronted, keyPair, open, watch } from './s3-place.ts'

let server: S3Server

beforeAll(async () => {
  server = await startS3()
})
afterAll(() => server.stop())

/** Runs every method of a place that holds `a.txt`. */
async function useAll(provider: Provider): Promise<void> {
  await provider.check()
  expect((await provider.list({ cursor: null, limit: 9, recursive: true })).objects).toHaveLength(1)
  expect(await text((await provider.read('a.txt', { range: { start: 1 } })).body)).toBe('ello')
  await provider.write('new/ü.json', Buffer.from('{}'), { contentType: 'application/json' })
  await provider.write('large', Buffer.alloc(3_000_000), { signal: new AbortController().signal })
  await provider.remove('large')
  await provider.remove('new/ü.json')
  const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
  expect(await (await fetch(url)).text()).toBe('hello')
}

describe('S3: addressing of the bucket', () => {
  // Not every machine resolves names under localhost (RFC 6761 §6.3).
  beforeEach(() => {
    const { lookup } = dns
    const toLoopback = (name: string, ...rest: unknown[]) =>
      (lookup as (...args: unknown[]) => void)(name.endsWith('localhost') ? '127.0.0.1' : name, ...rest)
    vi.spyOn(dns, 'lookup').mockImplementation(toLoopback as typeof lookup)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const named = (endpoint: string) => endpoint.replace('127.0.0.1', 'localhost')

  test.for([
    { addressing: 'AUTO', inHost: false },
    { addressing: 'PATH', inHost: false },
    { addressing: 'VHOST', inHost: true },
  ])('with $addressing at an endpoint of its own, in the host name: $inHost', async ({ addressing, inHost }) => {
    const { bucket, front, endpoint } = await fronted(server, { objects: { 'a.txt': 'hello' }, domain: 'localhost' })
    const seen = watch(front)
    await useAll(await open({ bucket, endpoint: named(endpoint), addressing }))
    expect(seen.length).toBeGreaterThan(7)
    const host = `${inHost ? `${bucket}.` : ''}localhost:${front.port}`
    expect(new Set(seen.map((request) => request.headers.host))).toEqual(new Set([host]))
    expect(seen.every((request) => request.inHost === inHost && request.bucket === bucket)).toBe(true)
  })

  test('at a numeric address, VHOST means PATH, because it has no subdomains', async () => {
    const { bucket, front, endpoint } = await fronted(server, { objects: { 'a.txt': 'hello' }, domain: '127.0.0.1' })
    const seen = watch(front)
    await useAll(await open({ bucket, endpoint, addressing: 'VHOST' }))
    expect(seen.some((request) => request.inHost)).toBe(false)
  })

  test('a public endpoint has its bucket there too, and its own signature', async () => {
    const { bucket, endpoint } = await fronted(server, { objects: { 'a.txt': 'hello' }, domain: 'localhost' })
    const browsers = await startFront({ target: server.endpoint, credentials: keyPair, domain: 'localhost' })
    onTestFinished(() => browsers.stop())
    const publicEndpoint = named(browsers.endpoint)
    const provider = await open({ bucket, endpoint: named(endpoint), publicEndpoint, addressing: 'VHOST' })
    const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
    expect(url.host).toBe(`${bucket}.localhost:${browsers.port}`)
    expect(await (await fetch(url)).text()).toBe('hello')
    expect(browsers.counts).toEqual({ GetObject: 1 })
    url.host = new URL(named(endpoint)).host
    expect((await fetch(url)).status).toBe(403)
  })

  test.for([
    { bucket: 'my-bucket', addressing: 'AUTO', origin: 'https://my-bucket.s3.eu-west-3.amazonaws.com/a.txt' },
    { bucket: 'my-bucket', addressing: 'PATH', origin: 'https://s3.eu-west-3.amazonaws.com/my-bucket/a.txt' },
    { bucket: 'my.bucket', addressing: 'AUTO', origin: 'https://s3.eu-west-3.amazonaws.com/my.bucket/a.txt' },
  ])('on AWS $bucket with $addressing is at $origin', async ({ bucket, addressing, origin }) => {
    const provider = await open({ bucket, addressing, region: 'eu-west-3' })
    const { href } = await provider.presign!('a.txt', { ttlSeconds: 60 })
    expect(href.split('?')[0]).toBe(origin)
  })
})

test('an endpoint that refuses checksum headers and trailers is used with every method', async () => {
  const { front, provider } = await fronted(server, { objects: { 'a.txt': 'hello' } })
  const refused = front.fail({ times: Infinity, status: 400, code: 'InvalidRequest', match: hasChecksum })
  await useAll(provider)
  expect(refused.hits).toBe(0)
})

function hasChecksum({ url, headers }: S3Request): boolean {
  const names = Object.keys(headers)
  return (
    names.some((name) => /^x-amz-(sdk-)?(checksum|trailer)/.test(name)) ||
    /aws-chunked/.test(headers['content-encoding'] ?? '') ||
    /TRAILER/.test(String(headers['x-amz-content-sha256'])) ||
    /x-amz-(sdk-)?checksum/i.test(url) ||
    headers.expect !== undefined
  )
}

test.for([
  { set: {}, sent: [undefined, undefined] },
  { set: { serverSideEncryption: 'AES256' }, sent: ['AES256', undefined] },
  { set: { serverSideEncryption: 'KMS' }, sent: ['aws:kms', undefined] },
  { set: { serverSideEncryption: 'KMS', kmsKeyId: 'alias/ours' }, sent: ['aws:kms', 'alias/ours'] },
  { set: { kmsKeyId: 'alias/ours' }, sent: ['aws:kms', 'alias/ours'] },
])('encryption $set is sent as $sent with each write', async ({ set, sent }) => {
  const { bucket, endpoint, front } = await fronted(server, { objects: { 'a.txt': 'hello' } })
  const seen = watch(front)
  await useAll(await open({ bucket, endpoint, ...set }))
  const header = ({ headers }: S3Request) => [
    headers['x-amz-server-side-encryption'],
    headers['x-amz-server-side-encryption-aws-kms-key-id'],
  ]
  const [writes, others] = [seen.filter(isPut), seen.filter((request) => !isPut(request))]
  expect(writes.map(header)).toEqual([sent, sent])
  expect(others.flatMap(header).filter(Boolean)).toEqual([])
})

const isPut = (request: S3Request) => request.operation === 'PutObject'

describe('S3: Object Lock with a default retention', () => {
  test('accepts every write, because each has the Content-MD5 of its body', async () => {
    const { front, provider } = await fronted(server, { objects: { 'a.txt': 'hello' }, objectLock: true })
    const seen = watch(front)
    await useAll(provider)
    await provider.write('empty', Buffer.alloc(0))
    const digests = seen.filter(isPut).map(({ headers }) => headers['content-md5'])
    const md5 = (body: Buffer) => createHash('md5').update(body).digest('base64')
    expect(digests).toEqual([Buffer.from('{}'), Buffer.alloc(3_000_000), Buffer.alloc(0)].map(md5))
  })

  test('refuses a body that does not match its Content-MD5', async () => {
    const { bucket, endpoint } = await fronted(server, { objectLock: true })
    const put = damagedPut(s3.location.parse({ bucket, endpoint }) as S3Location, keyPair)
    await expect(put('a', Buffer.from('hello'))).rejects.toMatchObject({ name: 'BadDigest' })
  })
})

describe('S3: where the requester pays', () => {
  const paying = () => fronted(server, { objects: { 'a.txt': 'hello' }, requesterPays: true })

  test('with requestPayer every method and every signed URL name the payer', async () => {
    const { bucket, endpoint, front } = await paying()
    const seen = watch(front)
    await useAll(await open({ bucket, endpoint, requestPayer: true }))
    const operations = new Set(seen.map(({ operation }) => operation))
    expect(operations).toEqual(new Set(['ListObjectsV2', 'GetObject', 'PutObject', 'DeleteObject']))
    const provider = await open({ bucket, endpoint, requestPayer: true })
    expect(await provider.head('a.txt')).toMatchObject({ size: 5 })
    expect(await provider.serverTime!()).toBeInstanceOf(Date)
  })

  test('with requestPayer a URL for the public endpoint names the payer, too', async () => {
    const { bucket, endpoint } = await paying()
    const browsers = await startFront({ target: server.endpoint, credentials: keyPair, requesterPays: true })
    onTestFinished(() => browsers.stop())
    const provider = await open({ bucket, endpoint, publicEndpoint: browsers.endpoint, requestPayer: true })
    const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
    expect(await (await fetch(url)).text()).toBe('hello')
  })

  test('with requestPayer a URL for an access point on AWS names the payer, too', async () => {
    const bucket = 'arn:aws:s3:us-west-2:123456789012:accesspoint:photos'
    const provider = await open({ bucket, requestPayer: true })
    const url = await provider.presign!('a.txt', { ttlSeconds: 60 })
    expect(url.searchParams.get('x-amz-request-payer')).toBe('requester')
  })

  test('without requestPayer requests are DENIED, and the hint names the setting', async () => {
    const { provider } = await paying()
    await expect(provider.check()).rejects.toMatchObject({ code: 'DENIED' })
    expect(s3.hints!.DENIED).toContain('requestPayer')
  })

  test('for other buckets no request and no URL names a payer', async () => {
    const { front, provider } = await fronted(server, { objects: { 'a.txt': 'hello' } })
    const seen = watch(front)
    await useAll(provider)
    expect(seen.filter(({ url, headers }) => /request-payer/i.test(url + JSON.stringify(headers)))).toEqual([])
  })

  test('requestPayer with anonymous is refused, because nobody can pay without credentials', () => {
    const place = s3.location.parse({ bucket: 'bucket', anonymous: true, requestPayer: true })
    expect(s3.crossCheck!(place, {}).map(({ path }) => path)).toEqual(['requestPayer'])
  })
})

describe('S3: clocks that differ', () => {
  test('the clock of the server is followed, in requests and in URLs', async () => {
    const clock = () => Date.now() + 3_600_000
    const { provider } = await fronted(server, { objects: { 'a.txt': 'hello' }, clock })
    await useAll(provider)
  })

  test('a clock that cannot be followed is CLOCK_SKEW', async () => {
    const { front, provider } = await fronted(server)
    front.fail({ times: Infinity, status: 403, code: 'RequestTimeTooSkewed' })
    await expect(provider.check()).rejects.toMatchObject({ code: 'CLOCK_SKEW' })
    await expect(provider.write('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'CLOCK_SKEW' })
  })
})

test('every field of the form and every choice has a description', () => {
  for (const [name, field] of Object.entries({ ...s3.location.shape, ...s3.secrets.shape })) {
    const { title, description, choices } = field.meta() ?? {}
    expect([title, description], name).toEqual([expect.any(String), expect.any(String)])
    if (choices) expect(Object.keys(choices)).toEqual(field.def.innerType.options)
  }
})
