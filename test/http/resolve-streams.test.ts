import { Agent } from 'node:http'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { type Download, openDownload, outcome } from '@sluice/testkit/download.ts'
import { until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createApiToken } from '../../src/access/tokens.ts'

const numberOf = (globalId: string) => Number(Buffer.from(globalId, 'base64').toString().split(':')[1])
const digits = '0123456789'
const large = Array.from({ length: 1_000_000 }, (_, n) => String(n).padStart(7, '0')).join('\n')

/** A bucket whose objects are streamed, and what asks for them. */
async function streamed(world: World, objects: Record<string, string>) {
  const storage = await world.storage({ objects, presign: false })
  const project = numberOf(storage.project)
  const path = (key: string) =>
    `/projects/${project}/resolve/?fileuri=${Buffer.from(`s3://${storage.bucket}/${key}`).toString('base64url')}`
  const authorization = `Bearer ${world.app.token}`
  return {
    ...storage,
    path,
    get: (key: string, headers: Record<string, string> = {}, method = 'GET') =>
      fetch(world.app.url + path(key), { method, redirect: 'manual', headers: { authorization, ...headers } }),
    /** The answer as soon as its headers are there; its body waits. */
    open: (key: string, { agent, headers = {} }: { agent?: Agent; headers?: Record<string, string> } = {}) =>
      openDownload(world.app.url + path(key), { headers: { authorization, ...headers }, ...(agent && { agent }) }),
    /** Requests that reached the bucket while `work` ran. */
    async upstream(work: () => Promise<unknown>) {
      const before = { ...world.front.counts }
      await work()
      const counts = Object.entries(world.front.counts).map(([name, n]) => [name, n - (before[name] ?? 0)])
      return Object.fromEntries(counts.filter(([, n]) => n !== 0))
    },
  }
}

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

  it('is continued after its source breaks off', async () => {
    const { open, upstream } = await streamed(world, { large })
    world.front.fail({ cutAfterBytes: 1_000_000, times: 2, match: ({ key }) => key === 'large' })
    const counts = await upstream(async () => {
      const { answer } = await open('large')
      const { body, complete } = await outcome(answer)
      expect([body.length, complete]).toEqual([large.length, true])
    })
    expect(counts).toEqual({ GetObject: 3 })
  })

  it('is reset, not ended, if its source breaks off and has changed', async () => {
    const { open, bucket } = await streamed(world, { large })
    const cut = world.front.fail({ cutAfterBytes: 1_000_000, match: ({ key }) => key === 'large' })
    world.front.fail({ status: 412, code: 'PreconditionFailed', match: ({ headers }) => 'if-match' in headers })
    const { answer } = await open('large')
    await cut.met
    expect(bucket).toBeTruthy()
    const { body, complete, failure } = await outcome(answer)
    expect([body.length < large.length, complete, failure]).toEqual([true, false, 'ECONNRESET'])
  })

  it('is reset if its source keeps breaking off', async () => {
    const { open } = await streamed(world, { large })
    const cut = world.front.fail({ cutAfterBytes: 1_000_000, match: ({ key }) => key === 'large' })
    const gone = world.front.fail({ reset: true, times: Infinity, match: ({ key }) => key === 'large' })
    onTestFinished(() => gone.release())
    const { answer } = await open('large')
    await cut.met
    const { body, complete, failure } = await outcome(answer)
    expect([body.length < large.length, complete, failure]).toEqual([true, false, 'ECONNRESET'])
  })

  it.each([
    ['conditions', 'if-match'],
    ['ranges', 'range'],
  ])('is never completed with bytes of another version, even if its storage ignores %s', async (_name, header) => {
    const { open, bucket } = await streamed(world, { large })
    world.front.fail({ cutAfterBytes: 1_000_000, match: ({ headers }) => !('range' in headers) })
    const held = world.front.fail({
      hold: true,
      match: ({ headers }) => {
        const isRest = 'range' in headers
        delete headers[header]
        return isRest
      },
    })
    const { answer } = await open('large')
    await held.met
    if (header === 'if-match') await world.s3.put(bucket, 'large', 'y'.repeat(large.length))
    held.release()
    const { body, complete, failure } = await outcome(answer)
    expect([body.toString() === large.slice(0, body.length), complete, failure]).toEqual([true, false, 'ECONNRESET'])
  })

  it('closes its source when the client leaves', async () => {
    const { open } = await streamed(world, { huge: large.repeat(4) })
    const watched = world.front.fail({ cutAfterBytes: Number.MAX_SAFE_INTEGER, match: ({ key }) => key === 'huge' })
    const { asked } = await open('huge')
    asked.destroy()
    await watched.closed
  })

  it('leaves the connection usable after any response', async () => {
    const { open } = await streamed(world, { 'a.txt': digits })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const ports = new Set<number | undefined>()
    for (const [key, headers, status] of [
      ['a.txt', { range: 'bytes=1-2' }, 206],
      ['a.txt', { range: 'bytes=99-' }, 416],
      ['a.txt', { 'if-none-match': '*' }, 304],
      ['missing', {}, 404],
      ['a.txt', { 'if-match': '"x"' }, 412],
      ['a.txt', {}, 200],
    ] as const) {
      const { answer } = await open(key, { agent, headers })
      ports.add(answer.socket.localPort)
      expect(answer.statusCode).toBe(status)
      const length = Number(answer.headers['content-length'] ?? 0)
      expect((await text(answer)).length).toBe(length)
    }
    expect(ports.size).toBe(1)
  })

  it('is sent in order to a client that pipelines requests', async () => {
    const { path } = await streamed(world, { 'a.txt': digits, large })
    const { hostname, port } = new URL(world.app.url)
    const socket = connect({ host: hostname, port: Number(port) })
    onTestFinished(() => void socket.destroy())
    const asked = (method: string, key: string, more = '') =>
      `${method} ${path(key)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${world.app.token}\r\n${more}\r\n`
    socket.write(asked('GET', 'large', 'Range: bytes=0-99999\r\n') + asked('HEAD', 'large'))
    socket.write(asked('GET', 'missing') + asked('GET', 'a.txt', 'Range: bytes=99-\r\n'))
    socket.write(asked('GET', 'a.txt', 'Connection: close\r\n'))
    const said = (await buffer(socket)).toString()
    const statuses = [...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
    expect(statuses).toEqual([206, 200, 404, 416, 200])
    expect(said.includes(`\r\n\r\n${large.slice(0, 100_000)}HTTP/1.1 200`)).toBe(true)
    expect(said.endsWith(`\r\n\r\n${digits}`)).toBe(true)
  })

  it('is not affected by other streams that were aborted', async () => {
    const { open, get } = await streamed(world, { huge: large, 'a.txt': digits })
    for (let n = 0; n < 20; n++) (await open('huge', { headers: { range: `bytes=${n}-` } })).asked.destroy()
    expect(await (await get('a.txt')).text()).toBe(digits)
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

  it('is completed after its storage was deleted, and then no longer served', async () => {
    const { get, open, id } = await streamed(world, { large })
    const { answer } = await open('large')
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id })
    expect((await get('large')).status).toBe(404)
    const { body, complete } = await outcome(answer)
    expect([body.toString() === large, complete]).toEqual([true, true])
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

const metricsToken = 'metrics-token-0123456789'

/** Value of a metric of the server, 0 if it has none of that name. */
async function metricOf(world: World, name: string): Promise<number> {
  const answer = await fetch(`${world.app.url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } })
  const line = (await answer.text()).split('\n').find((line) => line.startsWith(`${name} `))
  return Number(line?.slice(name.length) ?? 0)
}

describe('the limits of streams', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({
      RESOLVER_PROXY_TIMEOUT: '2',
      RESOLVER_PROXY_MAX_STREAMS: '3',
      RESOLVER_PROXY_MAX_STREAMS_PER_VIEWER: '2',
      RESOLVER_PROXY_CACHE_TIMEOUT: '60',
      METRICS_TOKEN: metricsToken,
    })
  })
  afterAll(() => world?.stop())

  const metric = (name: string) => metricOf(world, name)
  /** How many streams the server has reset because their time was up. */
  const timedOut = () => metric('sluice_resolve_aborted_total{by="timeout"}')

  it('apply to one viewer and to all, and a finished stream frees its place', async () => {
    const { open, get } = await streamed(world, { huge: large.repeat(4), 'a.txt': digits })
    const { token } = await createApiToken(world.app.orm.em, 'other')
    const authorization = `Bearer ${token}`
    const mine = [await open('huge'), await open('huge')]
    const refused = await get('a.txt')
    expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
      503,
      '1',
      { code: 'TOO_MANY_STREAMS', message: expect.any(String) },
    ])
    expect((await get('a.txt', {}, 'HEAD')).status).toBe(200)
    const theirs = await open('huge', { headers: { authorization } })
    expect((await get('a.txt', { authorization })).status).toBe(503)
    for (const { asked } of [...mine, theirs]) asked.destroy()
    await until(async () => (await get('a.txt')).status === 200)
  })

  it('are sent to caches', async () => {
    const { get } = await streamed(world, { 'a.txt': digits })
    const answer = await get('a.txt')
    await answer.text()
    expect(answer.headers.get('cache-control')).toBe('private, max-age=60, must-revalidate')
    const etag = answer.headers.get('etag')!
    const again = await get('a.txt', { 'if-none-match': etag })
    expect([again.status, again.headers.get('cache-control')]).toEqual([304, 'private, max-age=60, must-revalidate'])
    expect((await get('none.txt')).headers.get('cache-control')).toBe('no-store')
  })

  it('reset a stream that is open too long, and answer an error before its first byte', async () => {
    const { open, get } = await streamed(world, { huge: large.repeat(4), 'a.txt': digits })
    const before = await timedOut()
    const slow = [await open('huge'), await open('huge')]
    await until(async () => (await timedOut()) === before + 2)
    expect((await get('a.txt')).status).toBe(200)
    for (const { answer } of slow) {
      const { body, complete, failure } = await outcome(answer)
      expect([body.length < large.length * 4, complete, failure]).toEqual([true, false, 'ECONNRESET'])
    }

    const held = world.front.fail({ hold: true, match: ({ key }) => key === 'a.txt' })
    const late = await get('a.txt')
    held.release()
    expect([late.status, await late.json()]).toEqual([504, { code: 'TIMEOUT', message: expect.any(String) }])
    expect((await open('a.txt')).answer.statusCode).toBe(200)
  })

  /** Asks for both objects on one connection, the second once `isTime` says so, and reads nothing. */
  const askForTwo = async (isTime: () => Promise<boolean> = async () => true) => {
    const { path } = await streamed(world, { huge: large.repeat(4), 'a.txt': digits })
    const { hostname, port } = new URL(world.app.url)
    const socket = connect({ host: hostname, port: Number(port) }).pause()
    onTestFinished(() => void socket.destroy())
    const asked = (key: string) =>
      `GET ${path(key)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${world.app.token}\r\n\r\n`
    socket.write(asked('huge'))
    await until(isTime)
    socket.write(asked('a.txt'))
    return socket
  }

  it('end pipelined responses together with the stream, and count neither as aborted by the client', async () => {
    const counts = async () => [await timedOut(), await metric('sluice_resolve_aborted_total{by="client"}')]
    const [timeouts, left] = await counts()
    // The time of the first is up before that of the second.
    await askForTwo(async () => (await metric('sluice_resolve_streams')) === 1)
    await until(async () => (await metric('sluice_resolve_streams')) === 2)
    await until(async () => (await metric('sluice_resolve_streams')) === 0)
    await until(async () => (await counts()).reduce((a, b) => a! + b!)! >= timeouts! + left! + 2)
    expect(await counts()).toEqual([timeouts! + 2, left])
  })

  it('do not delay pipelined responses after the client has disconnected', async () => {
    const left = () => metric('sluice_resolve_aborted_total{by="client"}')
    const before = await left()
    const socket = await askForTwo()
    await until(async () => (await metric('sluice_resolve_streams')) === 2)
    socket.destroy()
    await until(async () => (await left()) === before + 2)
    expect(await metric('sluice_resolve_streams')).toBe(0)
  })

  it('apply also to links that need a request to the storage first', async () => {
    const storage = await world.storage({ objects: { 'a.txt': digits } })
    const held = world.front.fail({ hold: true, times: Infinity, match: ({ bucket }) => bucket === storage.bucket })
    onTestFinished(() => held.release())
    const fileuri = Buffer.from(`s3://${storage.bucket}/a.txt`).toString('base64url')
    const link = `${world.app.url}/projects/${numberOf(storage.project)}/resolve/?fileuri=${fileuri}`
    const ask = () => fetch(link, { redirect: 'manual', headers: { authorization: `Bearer ${world.app.token}` } })
    const late = await ask()
    expect([late.status, await late.json()]).toEqual([504, { code: 'TIMEOUT', message: expect.any(String) }])
    held.release()
    expect((await ask()).status).toBe(303)
  })
})

describe('the time limit of streams', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({
      RESOLVER_PROXY_TIMEOUT: '1',
      RESOLVER_PROXY_BUFFER_SIZE: '32768',
      METRICS_TOKEN: metricsToken,
    })
  })
  afterAll(() => world?.stop())

  /** Reads 200 kB/s for `seconds`, then the rest as it comes: number of bytes, and the fault. */
  const readSlowly = async ({ answer }: Download, seconds: number) => {
    let bytes = 0
    const started = performance.now()
    const failure = new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      answer.once('error', resolve).once('end', () => resolve(undefined))
    })
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      const aheadMs = bytes / 200 - (performance.now() - started)
      if (aheadMs <= 0 || performance.now() - started > seconds * 1_000) return
      answer.pause()
      setTimeout(() => answer.resume(), aheadMs)
    })
    return { fault: (await failure)?.code, bytes, complete: answer.complete }
  }
  const huge = large.repeat(3)

  /** Opens the object, after a first request: that one connects to the storage, which can take longer than the limit. */
  const warmed = async () => {
    const { open, get } = await streamed(world, { huge })
    await until(async () => (await get('huge', { range: 'bytes=0-0' })).status === 206)
    return open
  }

  it('never ends a stream that its client reads slowly and steadily', async () => {
    const open = await warmed()
    const slow = await Promise.all([open('huge'), open('huge', { headers: { range: 'bytes=5-' } })])
    expect(await Promise.all(slow.map((one) => readSlowly(one, 8)))).toEqual([
      { fault: undefined, bytes: huge.length, complete: true },
      { fault: undefined, bytes: huge.length - 5, complete: true },
    ])
  })

  it('resets a stream that its client stops reading, even after a long time of steady reading', async () => {
    const open = await warmed()
    const { answer } = await open('huge', { headers: { range: 'bytes=0-' } })
    let bytes = 0
    const failure = new Promise<string | undefined>((resolve) => {
      answer.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code)).once('end', () => resolve(undefined))
    })
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      answer.pause()
      if (bytes < 300_000) setTimeout(() => answer.resume(), 200)
    })
    await until(() => bytes >= 300_000)
    const timedOut = () => metricOf(world, 'sluice_resolve_aborted_total{by="timeout"}')
    const before = await timedOut()
    await until(async () => (await timedOut()) > before, { what: 'the reset of a stream that is not read' })
    answer.removeAllListeners('data').resume()
    expect([await failure, answer.complete]).toEqual(['ECONNRESET', false])
  })

  it('ends the stream of a media element, even if it is read steadily', async () => {
    const open = await warmed()
    const slow = await open('huge', { headers: { range: 'bytes=0-', 'sec-fetch-dest': 'video' } })
    expect(await readSlowly(slow, 8)).toMatchObject({ fault: 'ECONNRESET', complete: false })
  })
})
