import { gzipSync } from 'node:zlib'
import { createTasks } from '@sluice/testkit/annotate.ts'
import { openDownload, outcome } from '@sluice/testkit/download.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { kindNames, networkKinds, type Refusal } from '@sluice/testkit/storage-kinds.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'

const digits = '0123456789'
const long = 'x'.repeat(3_000)
const objects = {
  'in/a.txt': digits,
  'in/empty.txt': '',
  'in/long.bin': long,
  'in/page.html': '<p>',
  'out/b.txt': 'no',
}

/** Pauses before another try are a random part of a backoff: for one test they are short. */
function hurryRetries() {
  vi.spyOn(Math, 'random').mockReturnValue(0.01)
  onTestFinished(() => void vi.restoreAllMocks())
}

describe.each(kindNames)('an object of %s', (name) => {
  let world: KindWorld
  const get: KindWorld['get'] = (...asked) => world.get(...asked)
  beforeAll(async () => {
    world = await startKindWorld(name, { RESOLVER_PROXY_MAX_RANGE_SIZE: '1024' })
    for (const [key, body] of Object.entries(objects)) await world.put(key, body)
  })
  afterAll(() => world?.stop())
  const hasVersions = name !== 'REDIS'

  it('is served whole, with correct headers', async () => {
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
    expect((await get('in/page.html')).headers.get('content-security-policy')).toBe("sandbox; default-src 'none'")
  })

  it.each([
    ['in/a.txt', 'bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['in/a.txt', 'bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['in/a.txt', 'bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['in/a.txt', 'bytes=0-', 206, digits, 'bytes 0-9/10'],
    ['in/a.txt', 'bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['in/a.txt', 'bytes=-99', 206, digits, 'bytes 0-9/10'],
    ['in/a.txt', 'bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['in/a.txt', 'bytes=9-9', 206, '9', 'bytes 9-9/10'],
    ['in/a.txt', 'bytes=0-9', 206, digits, 'bytes 0-9/10'],
    ['in/a.txt', 'BYTES=1-2', 206, '12', 'bytes 1-2/10'],
    ['in/a.txt', 'bytes= 1-2 , 4-', 206, '12', 'bytes 1-2/10'],
    ['in/a.txt', 'bytes=4-5,0-1', 206, '45', 'bytes 4-5/10'],
    ['in/a.txt', 'bytes=-0,-2', 206, '89', 'bytes 8-9/10'],
    ['in/a.txt', 'bytes=99-,4-5', 206, '45', 'bytes 4-5/10'],
    ['in/a.txt', 'bytes=4-2', 200, digits, null],
    ['in/a.txt', 'bytes=-', 200, digits, null],
    ['in/a.txt', 'bytes=', 200, digits, null],
    ['in/a.txt', 'bytes=1-2-3', 200, digits, null],
    ['in/a.txt', 'bytes=1-2,x', 200, digits, null],
    ['in/a.txt', 'bytes=+1-2', 200, digits, null],
    ['in/a.txt', 'lines=1-2', 200, digits, null],
    ['in/a.txt', 'nonsense', 200, digits, null],
    ['in/a.txt', `bytes=${Array(17).fill('1-2').join()}`, 200, digits, null],
    ['in/a.txt', 'bytes=10-', 416, null, 'bytes */10'],
    ['in/a.txt', 'bytes=10-99', 416, null, 'bytes */10'],
    ['in/a.txt', 'bytes=-0', 416, null, 'bytes */10'],
    ['in/a.txt', 'bytes=99999999999999999999-', 416, null, 'bytes */10'],
    ['in/empty.txt', 'bytes=0-', 416, null, 'bytes */0'],
    ['in/empty.txt', 'bytes=-1', 200, '', null],
    ['in/empty.txt', 'bytes=0-0', 416, null, 'bytes */0'],
    ['in/a.txt', 'bytes=10-,20-30', 416, null, 'bytes */10'],
    ['in/long.bin', null, 200, long, null],
    ['in/long.bin', 'bytes=100-2999', 206, 'x'.repeat(1024), 'bytes 100-1123/3000'],
    ['in/long.bin', 'bytes=2500-9999', 206, 'x'.repeat(500), 'bytes 2500-2999/3000'],
    ['in/long.bin', 'bytes=-1024', 206, 'x'.repeat(1024), 'bytes 1976-2999/3000'],
    ['in/long.bin', 'bytes=0-', 206, 'x'.repeat(1024), 'bytes 0-1023/3000'],
    ['in/long.bin', 'bytes=2999-', 206, 'x', 'bytes 2999-2999/3000'],
    ['in/long.bin', 'bytes=-2000', 206, 'x'.repeat(1024), 'bytes 1976-2999/3000'],
  ])('(%s) with the range %.40s is answered %d', async (key, range, status, body, contentRange) => {
    const answer = await get(key, range === null ? {} : { range, 'sec-fetch-dest': 'video' })
    const text = await answer.text()
    expect([answer.status, answer.headers.get('content-range')]).toEqual([status, contentRange])
    if (body !== null) expect(text).toBe(body)
    expect(answer.headers.get('content-length')).toBe(String(text.length))
  })

  it('is validated against the cached version of the browser', async () => {
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

  const keepsEncodings = !['REDIS', 'LOCAL_FILES'].includes(name)
  if (keepsEncodings)
    it('that is stored compressed is served compressed, with ranges of the compressed bytes', async () => {
      const stored = gzipSync(long)
      await world.put('in/a.txt.gz', stored, 'gzip')
      const raw = async (headers: Record<string, string>) => {
        const authorization = `Bearer ${world.app.token}`
        const { answer } = await openDownload(world.url('in/a.txt.gz'), { headers: { authorization, ...headers } })
        return { answer: answer.headers, ...(await outcome(answer)) }
      }
      for (const accepted of ['gzip', 'identity']) {
        const { answer, body } = await raw({ 'accept-encoding': accepted })
        expect([answer['content-encoding'], body.equals(stored)]).toEqual(['gzip', true])
        expect(answer['content-length']).toBe(String(stored.length))
      }
      const part = await raw({ range: 'bytes=3-7' })
      expect([part.answer['content-range'], part.body]).toEqual([`bytes 3-7/${stored.length}`, stored.subarray(3, 8)])
      expect(part.answer['content-encoding']).toBe('gzip')
      const head = await get('in/a.txt.gz', {}, 'HEAD')
      const about = ['content-encoding', 'content-length'].map((header) => head.headers.get(header))
      expect(about).toEqual(['gzip', String(stored.length)])
    })

  if (name !== 'LOCAL_FILES')
    it('fails with a status and a message of Sluice, whatever its storage answers', { timeout: 60_000 }, async () => {
      const told = {
        // To HEAD a storage says no more than that it refuses.
        'bad credentials': [502, expect.stringMatching(/^(BAD_CREDENTIALS|DENIED)$/)],
        denied: [502, 'DENIED'],
        busy: [503, 'THROTTLED'],
        'redirects to itself': [502, expect.any(String)],
      } satisfies Record<Refusal, unknown>
      hurryRetries()
      for (const [refusal, refuse] of Object.entries(world.refuse)) {
        const [status, code] = told[refusal as Refusal]
        const release = refuse()
        onTestFinished(release)
        for (const headers of [{}, { range: 'bytes=0-1' }, { 'if-none-match': '"x"' }] as Record<string, string>[]) {
          const answer = await get('in/a.txt', headers)
          const body = await answer.text()
          expect([answer.status, JSON.parse(body)]).toEqual([status, { code, message: expect.any(String) }])
          expect(body).not.toMatch(/injected|secret words|no permissions/)
          expect(answer.headers.get('cache-control')).toBe('no-store')
          expect(answer.headers.get('retry-after')).toBe(status === 503 ? '1' : null)
        }
        expect((await get('in/a.txt', {}, 'HEAD')).status).toBe(status)
        release()
        expect(await (await get('in/a.txt')).text()).toBe(digits)
      }
    })

  it('is served only from inside the prefix, and only to authorized viewers', async () => {
    for (const key of ['out/b.txt', 'in/missing', 'in/../out/b.txt', 'in/%2e%2e/out/b.txt', 'in/\r\nx', 'in']) {
      expect([key, (await get(key)).status]).toEqual([key, 404])
    }
    expect((await get('in/a.txt', { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await get('in/a.txt', {}, 'DELETE')).status).toBe(405)
  })

  it('is not served to tasks and projects of other storages', async () => {
    const { app, uri } = world
    const fileuri = Buffer.from(`${uri}in/a.txt`).toString('base64url')
    const asked = async (path: string) => {
      const headers = { authorization: `Bearer ${app.token}` }
      const answer = await fetch(`${app.url}/${path}/resolve/?fileuri=${fileuri}`, { headers, redirect: 'manual' })
      return [answer.status, answer.ok ? await answer.text() : (await answer.json()).code]
    }
    const other = await createProject(app)
    const [own] = await createTasks(app, world.project, [{}])
    const [foreign] = await createTasks(app, other, [{}])
    expect(await asked(`tasks/${numberOf(own!)}`)).toEqual([200, digits])
    expect(await asked(`tasks/${numberOf(foreign!)}`)).toEqual([404, 'NOT_FOUND'])
    expect(await asked(`projects/${numberOf(other)}`)).toEqual([404, 'NOT_FOUND'])
  })

  it('is served by a presigned URL if its storage can presign, otherwise streamed', async () => {
    await world.app.request(
      `mutation ($id: ID!) { updateImportStorage(input: { id: $id, presign: true, skipCheck: true }) {
        __typename ... on Error { message } } }`,
      { id: world.storageId },
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

  it('is not served after its storage was deleted', async () => {
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id: world.storageId })
    for (const headers of [{}, { range: 'bytes=0-1' }, { 'if-none-match': '*' }] as Record<string, string>[]) {
      const gone = await get('in/a.txt', headers)
      expect([gone.status, (await gone.json()).code]).toEqual([404, 'NOT_FOUND'])
    }
  })
})

describe.each(networkKinds)('an object of %s', (name) => {
  it('is a 504 if the server of its storage is down', { timeout: 30_000 }, async () => {
    const world = await startKindWorld(name)
    onTestFinished(() => world.stop())
    await world.put('in/a.txt', digits)
    expect((await world.get('in/a.txt')).status).toBe(200)
    world.tap!.shut()
    hurryRetries()
    const answer = await world.get('in/a.txt')
    expect([answer.status, await answer.json()]).toEqual([
      504,
      { code: expect.stringMatching(/^(UNREACHABLE|CONNECTION_REFUSED)$/), message: expect.any(String) },
    ])
  })
})
