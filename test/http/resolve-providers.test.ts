import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { startAzure } from '../support/azure.ts'
import { startGcs } from '../support/gcs.ts'
import { startSmallRedis } from '../support/redis-small.ts'
import { startS3 } from '../support/s3.ts'
import { createProject, createStorage } from '../support/scenario.ts'

const digits = '0123456789'
const long = 'x'.repeat(3_000)
const objects = {
  'in/a.txt': digits,
  'in/empty.txt': '',
  'in/long.bin': long,
  'in/page.html': '<p>',
  'out/b.txt': 'no',
}

interface Served {
  /** What its URIs begin with. */
  uri: string
  /** The location input, for the keys under `in/`. */
  location: Record<string, unknown>
  stop(): Promise<unknown>
}

/** Each kind of storage with the objects in it. */
const kinds: Record<string, (app: TestApp) => Promise<Served>> = {
  async S3() {
    const server = await startS3()
    await server.createBucket('bucket')
    await server.putMany(
      'bucket',
      Object.entries(objects).map(([key, body]) => ({ key, body })),
    )
    const keys = { accessKeyId: 'key', secretAccessKey: 'secret' }
    const location = { s3: { bucket: 'bucket', prefix: 'in/', endpoint: server.endpoint, ...keys } }
    return { uri: 's3://bucket/', location, stop: server.stop }
  },
  async GCS() {
    const server = await startGcs()
    server.createBucket('bucket')
    for (const [key, body] of Object.entries(objects)) server.put('bucket', key, body)
    const serviceAccountJson = server.newAccount().keyFile
    const location = { gcs: { bucket: 'bucket', prefix: 'in/', endpoint: server.endpoint, serviceAccountJson } }
    return { uri: 'gs://bucket/', location, stop: server.stop }
  },
  async AZURE_BLOB() {
    const server = await startAzure()
    const client = await server.createContainer('bucket')
    for (const [key, body] of Object.entries(objects)) await client.getBlockBlobClient(key).upload(body, body.length)
    const { account, endpoint, accountKey } = server
    const location = { azureBlob: { container: 'bucket', prefix: 'in/', account, endpoint, accountKey } }
    return { uri: 'azure-blob://bucket/', location, stop: server.stop }
  },
  async REDIS() {
    const server = await startSmallRedis()
    const { host, port } = server
    const { redis } = await import('../../src/providers/redis/kind.ts')
    const place = await redis.open(redis.location.parse({ host, port, db: 1, tls: false }), {}, {})
    for (const [key, body] of Object.entries(objects)) await place.write(key, Buffer.from(body))
    place.close()
    const location = { redis: { host, port, db: 1, path: 'in/', tls: false } }
    return { uri: `redis://${host}:${port}:1/`, location, stop: server.stop }
  },
  async LOCAL_FILES({ localRoot }) {
    for (const [key, body] of Object.entries(objects)) {
      mkdirSync(join(localRoot, key, '..'), { recursive: true })
      writeFileSync(join(localRoot, key), body)
    }
    return { uri: 'local-files:///', location: { localFiles: { path: 'in' } }, stop: async () => {} }
  },
}

describe.each(Object.keys(kinds))('an object of %s', (name) => {
  let app: TestApp
  let served: Served
  let project: string
  let storageId: string
  beforeAll(async () => {
    app = await startTestApp({ RESOLVER_PROXY_MAX_RANGE_SIZE: '1024' })
    served = await kinds[name]!(app)
    const id = await createProject(app)
    const made = await createStorage(app, { projectId: id, location: served.location, presign: false, skipCheck: true })
    if (!made.storage) throw new Error(JSON.stringify(made))
    storageId = made.storage.id
    project = Buffer.from(id, 'base64').toString().split(':')[1]!
  })
  afterAll(async () => {
    await app?.stop()
    await served?.stop()
  })

  const get = (key: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${app.url}/projects/${project}/resolve/?fileuri=${Buffer.from(served.uri + key).toString('base64url')}`, {
      method,
      headers: { authorization: `Bearer ${app.token}`, ...headers },
      redirect: 'manual',
    })
  const hasVersions = name !== 'REDIS'

  it('comes whole, with true headers', async () => {
    const answer = await get('in/a.txt')
    expect([answer.status, await answer.text()]).toEqual([200, digits])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': expect.stringMatching(/^text\/plain/),
      'content-length': '10',
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=3600, must-revalidate',
      'x-content-type-options': 'nosniff',
    })
    const head = await get('in/a.txt', {}, 'HEAD')
    const names = ['content-type', 'content-length', 'etag', 'last-modified', 'accept-ranges', 'cache-control']
    expect(names.map((header) => head.headers.get(header))).toEqual(names.map((header) => answer.headers.get(header)))
    expect(answer.headers.has('etag')).toBe(hasVersions)
    const empty = await get('in/empty.txt')
    expect([empty.status, await empty.text(), empty.headers.get('content-length')]).toEqual([200, '', '0'])
    expect((await get('in/page.html')).headers.get('content-security-policy')).toBe('sandbox')
  })

  it.each([
    ['in/a.txt', 'bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['in/a.txt', 'bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['in/a.txt', 'bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['in/a.txt', 'bytes=0-', 206, digits, 'bytes 0-9/10'],
    ['in/a.txt', 'bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['in/a.txt', 'bytes=-99', 206, digits, 'bytes 0-9/10'],
    ['in/a.txt', 'bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['in/a.txt', 'bytes=4-5,0-1', 206, '45', 'bytes 4-5/10'],
    ['in/a.txt', 'bytes=99-,4-5', 206, '45', 'bytes 4-5/10'],
    ['in/a.txt', 'bytes=4-2', 200, digits, null],
    ['in/a.txt', 'bytes=-', 200, digits, null],
    ['in/a.txt', 'nonsense', 200, digits, null],
    ['in/a.txt', 'bytes=10-', 416, null, 'bytes */10'],
    ['in/a.txt', 'bytes=10-99', 416, null, 'bytes */10'],
    ['in/a.txt', 'bytes=-0', 416, null, 'bytes */10'],
    ['in/a.txt', 'bytes=99999999999999999999-', 416, null, 'bytes */10'],
    ['in/empty.txt', 'bytes=0-', 416, null, 'bytes */0'],
    ['in/empty.txt', 'bytes=-1', 200, '', null],
    ['in/long.bin', 'bytes=0-', 206, 'x'.repeat(1024), 'bytes 0-1023/3000'],
    ['in/long.bin', 'bytes=2999-', 206, 'x', 'bytes 2999-2999/3000'],
    ['in/long.bin', 'bytes=-2000', 206, 'x'.repeat(1024), 'bytes 1000-2023/3000'],
  ])('%s, asked for %s, is %d', async (key, range, status, body, contentRange) => {
    const answer = await get(key, { range })
    const text = await answer.text()
    expect([answer.status, answer.headers.get('content-range')]).toEqual([status, contentRange])
    if (body !== null) expect(text).toBe(body)
    expect(answer.headers.get('content-length')).toBe(String(text.length))
  })

  it('is compared with what the browser has', async () => {
    const etag = (await get('in/a.txt')).headers.get('etag') ?? '"none"'
    const status = async (headers: Record<string, string>) => (await get('in/a.txt', headers)).status
    expect(await status({ 'if-none-match': etag })).toBe(hasVersions ? 304 : 200)
    expect(await status({ 'if-none-match': '*' })).toBe(304)
    expect(await status({ 'if-none-match': '"other"' })).toBe(200)
    expect(await status({ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' })).toBe(200)
    expect(await status({ 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' })).toBe(hasVersions ? 304 : 200)
    expect(await status({ 'if-match': etag })).toBe(hasVersions ? 200 : 412)
    expect(await status({ 'if-match': '"other"' })).toBe(412)
    expect(await status({ range: 'bytes=0-1', 'if-range': etag })).toBe(hasVersions ? 206 : 200)
    expect(await status({ range: 'bytes=0-1', 'if-range': '"other"' })).toBe(200)
  })

  it('is served from inside the prefix only, and only to who may', async () => {
    for (const key of ['out/b.txt', 'in/missing', 'in/../out/b.txt', 'in/%2e%2e/out/b.txt', 'in/\r\nx', 'in']) {
      expect([key, (await get(key)).status]).toEqual([key, 404])
    }
    expect((await get('in/a.txt', { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await get('in/a.txt', {}, 'DELETE')).status).toBe(405)
  })

  it('has a signed URL where there is one, and is streamed elsewhere', async () => {
    await app.request(
      `mutation ($id: ID!) { updateImportStorage(input: { id: $id, presign: true, skipCheck: true }) {
        __typename ... on Error { message } } }`,
      { id: storageId },
    )
    const answer = await get('in/a.txt')
    const signs = !['REDIS', 'LOCAL_FILES'].includes(name)
    expect([answer.status, answer.headers.get('cache-control')?.includes('no-store')]).toEqual(
      signs ? [303, true] : [200, false],
    )
    const bytes = signs ? await fetch(answer.headers.get('location')!) : answer
    expect(await bytes.text()).toBe(digits)
    if (['S3', 'AZURE_BLOB'].includes(name)) expect(bytes.headers.get('cache-control')).toBe('private, max-age=900')
    // A URL that is signed for GET would refuse HEAD.
    const head = await get('in/a.txt', {}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
    const again = await get('in/a.txt')
    expect(again.headers.get('location')).toBe(answer.headers.get('location'))
  })
})
