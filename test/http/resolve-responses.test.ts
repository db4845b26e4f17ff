import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { numberOf } from '@sluice/testkit/ids.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createApiToken } from '../../src/access/tokens.ts'
import { digits, streamed } from './resolve-place.ts'

describe('a streamed object', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ CORS_ORIGINS: 'https://label.example.com', RESOLVER_PROXY_TIMEOUT: '0' })
  })
  afterAll(() => world?.stop())

  it('that the browser has cached is a 304, without reading its body', async () => {
    const { get, upstream } = await streamed(world, { 'a.txt': digits })
    const first = await get('a.txt')
    await first.text()
    const etag = first.headers.get('etag')!
    const lastModified = first.headers.get('last-modified')!
    const conditions: Record<string, string>[] = [
      { 'if-none-match': etag },
      { 'if-modified-since': lastModified },
      { 'if-none-match': '*' },
    ]
    for (const condition of conditions) {
      const counts = await upstream(async () => {
        const again = await get('a.txt', condition)
        expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag])
        expect(again.headers.get('cache-control')).toBe('private, max-age=3600, must-revalidate')
      })
      expect(counts).toEqual({ HeadObject: 1 })
    }
    expect((await get('a.txt', { 'if-match': etag })).status).toBe(200)
    expect((await get('a.txt', { 'if-match': '"other"' })).status).toBe(412)
    expect((await get('a.txt', { 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' })).status).toBe(412)
  })

  it('has an entity tag for each version and viewer, and is refused without the permission', async () => {
    const { get, bucket } = await streamed(world, { 'a.txt': digits })
    const first = (await get('a.txt')).headers.get('etag')!
    await world.s3.put(bucket, 'a.txt', 'changed')
    const changed = await get('a.txt', { 'if-none-match': first })
    expect([changed.status, await changed.text()]).toEqual([200, 'changed'])
    const etag = changed.headers.get('etag')!
    const { row, token } = await createApiToken(world.app.orm.em, 'other')
    const authorization = `Bearer ${token}`
    const other = await get('a.txt', { authorization, 'if-none-match': etag })
    expect(other.status).toBe(200)
    const own = other.headers.get('etag')!
    expect((await get('a.txt', { authorization, 'if-none-match': own })).status).toBe(304)
    await world.app.request('mutation ($id: ID!) { revokeApiToken(id: $id) { __typename } }', {
      id: Buffer.from(`ApiToken:${row.id}`).toString('base64'),
    })
    expect((await get('a.txt', { authorization, 'if-none-match': own })).status).toBe(401)
  })

  it('costs one read for each range, and no other request', async () => {
    const { get, upstream } = await streamed(world, { 'a.txt': digits })
    const first = await get('a.txt', { range: 'bytes=0-0' })
    const etag = first.headers.get('etag')!
    const counts = await upstream(async () => {
      for (const range of ['bytes=3-4', 'bytes=0-', 'bytes=-2', 'bytes=5-5']) {
        expect((await get('a.txt', { range, 'if-range': etag })).status).toBe(206)
      }
    })
    expect(counts).toEqual({ GetObject: 4 })
  })

  it('is sent in part only if it is the version that If-Range names', async () => {
    const { get, bucket } = await streamed(world, { 'a.txt': digits })
    const first = await get('a.txt')
    const etag = first.headers.get('etag')!
    const range = { range: 'bytes=2-3' }
    const part = await get('a.txt', { ...range, 'if-range': etag })
    expect([part.status, await part.text()]).toEqual([206, '23'])
    for (const other of ['"other"', `W/${etag}`, 'Sun, 06 Nov 1994 08:49:37 GMT']) {
      const whole = await get('a.txt', { ...range, 'if-range': other })
      expect([other, whole.status, await whole.text()]).toEqual([other, 200, digits])
    }
    await world.s3.put(bucket, 'a.txt', 'abcdef')
    const whole = await get('a.txt', { ...range, 'if-range': etag })
    expect([whole.status, await whole.text()]).toEqual([200, 'abcdef'])
  })

  it('that is stored compressed is sent compressed, with its Content-Encoding', async () => {
    const { get, open, bucket } = await streamed(world, {})
    const Body = gzipSync(digits)
    const stored = { Bucket: bucket, Key: 'a.txt', ContentEncoding: 'gzip', ContentType: 'text/plain' }
    await world.s3.client.send(new PutObjectCommand({ ...stored, Body }))
    const whole = await get('a.txt')
    expect([whole.headers.get('content-encoding'), await whole.text()]).toEqual(['gzip', digits])
    const { answer } = await open('a.txt', { headers: { range: 'bytes=0-4' } })
    expect([answer.headers['content-encoding'], answer.headers['content-range']]).toEqual([
      'gzip',
      `bytes 0-4/${Body.length}`,
    ])
    expect(await buffer(answer)).toEqual(Body.subarray(0, 5))
    expect((await get('a.txt', {}, 'HEAD')).headers.get('content-encoding')).toBe('gzip')
  })

  it('can be read by pages of the configured origins, and of no others', async () => {
    const { get } = await streamed(world, { 'a.txt': digits })
    const origin = 'https://label.example.com'
    const ours = await get('a.txt', { origin })
    expect(ours.headers.get('access-control-allow-origin')).toBe(origin)
    expect(ours.headers.get('access-control-expose-headers')).toBe('Content-Range, Content-Length, ETag, Accept-Ranges')
    expect(ours.headers.get('vary')).toContain('Origin')
    const theirs = await get('a.txt', { origin: 'https://evil.example.com' })
    expect(theirs.headers.get('access-control-allow-origin')).toBeNull()
    expect(theirs.headers.get('vary')).toContain('Origin')
    const asked = { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'range' }
    const preflight = await get('a.txt', { ...asked, authorization: '' }, 'OPTIONS')
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, HEAD')
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Range')
    expect((await get('a.txt', {}, 'OPTIONS')).headers.get('allow')).toBe('GET, HEAD, OPTIONS')
  })

  it.each([
    ['an object that is not there', { status: 404, code: 'NoSuchKey' }, 404, 'OBJECT_MISSING'],
    ['a bucket that is not there', { status: 404, code: 'NoSuchBucket' }, 502, 'NO_SUCH_BUCKET'],
    ['refused credentials', { status: 403, code: 'InvalidAccessKeyId' }, 502, 'BAD_CREDENTIALS'],
    ['a denied object', { status: 403, code: 'AccessDenied' }, 502, 'DENIED'],
    ['a storage that is down', { status: 500, code: 'InternalError' }, 504, 'UNREACHABLE'],
    ['a storage that is busy', { status: 503, code: 'SlowDown' }, 503, 'THROTTLED'],
    ['a storage that resets', { reset: true as const }, 504, 'UNREACHABLE'],
    [
      'a storage that redirects to itself without end',
      { answer: { status: 302, headers: { location: '/loop' }, body: '' } },
      502,
      'UNEXPECTED_ANSWER',
    ],
  ])('of %s is answered with a clear error', async (_name, fault, status, code) => {
    const { get, bucket } = await streamed(world, {})
    const set = world.front.fail({ ...fault, times: Infinity, match: (asked) => asked.bucket === bucket })
    onTestFinished(() => set.release())
    const answer = await get('a.txt')
    expect([answer.status, await answer.json()]).toEqual([status, { code, message: expect.any(String) }])
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('retry-after')).toBe(status === 503 ? '1' : null)
  })

  it('of a storage where nothing listens is answered with a clear error', async () => {
    const location = { s3: { ...world.location('bucket').s3, bucket: 'nowhere', endpoint: 'http://127.0.0.1:2' } }
    const { project } = await world.storage({ objects: {}, location, presign: false })
    const fileuri = Buffer.from('s3://nowhere/a.txt').toString('base64url')
    const answer = await fetch(`${world.app.url}/projects/${numberOf(project)}/resolve/?fileuri=${fileuri}`, {
      headers: { authorization: `Bearer ${world.app.token}` },
    })
    expect([answer.status, await answer.json()]).toEqual([
      504,
      { code: 'CONNECTION_REFUSED', message: expect.any(String) },
    ])
  })

  it('is not served from cached metadata after its storage moved to another bucket', async () => {
    const { get, id, upstream, path } = await streamed(world, { 'a.txt': digits })
    for (const range of ['bytes=0-0', 'bytes=1-1']) expect((await get('a.txt', { range })).status).toBe(206)
    const other = await world.bucket({ 'a.txt': 'abcdefghijklmnop' })
    const { updateImportStorage } = await world.app.request(
      `mutation ($input: UpdateImportStorageInput!) { updateImportStorage(input: $input) {
        __typename ... on Error { message } } }`,
      { input: { id, location: world.location(other), skipCheck: true } },
    )
    expect(updateImportStorage.__typename).toBe('UpdateImportStorageSuccess')
    expect((await get('a.txt')).status).toBe(404)
    const fileuri = Buffer.from(`s3://${other}/a.txt`).toString('base64url')
    const link = world.app.url + path('').replace(/fileuri=.*/, `fileuri=${fileuri}`)
    const counts = await upstream(async () => {
      const answer = await fetch(link, {
        headers: { authorization: `Bearer ${world.app.token}`, range: 'bytes=-2' },
      })
      expect([await answer.text(), answer.headers.get('content-range')]).toEqual(['op', 'bytes 14-15/16'])
    })
    expect(counts).toEqual({ GetObject: 1 })
  })

  it('is not served after its storage was deleted', async () => {
    const { get, id } = await streamed(world, { 'a.txt': digits })
    expect((await get('a.txt')).status).toBe(200)
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id })
    expect((await get('a.txt')).status).toBe(404)
  })

  it('of a key with dot segments is not requested, because a proxy could turn it into another key', async () => {
    const { get } = await streamed(world, { 'in/../a.txt': 'this one', 'a.txt': 'another' })
    const answer = await get('in/../a.txt')
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'KEY_HAS_DOT_SEGMENTS' }])
  })

  it.each(['a\r\nSet-Cookie: x=1', 'in/%2e%2e/a.txt', '%00', 'ü?#&', 'https://x/y'])(
    'of the key %j is exactly that object',
    async (key) => {
      const { get } = await streamed(world, { [key]: 'this one', 'a.txt': 'another' })
      const answer = await get(key)
      expect([answer.status, await answer.text(), answer.headers.get('set-cookie')]).toEqual([200, 'this one', null])
    },
  )
})
