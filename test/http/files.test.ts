import { createTasks } from '@sluice/testkit/annotate.ts'
import { createClient } from '@sluice/testkit/client.ts'
import { openDownload } from '@sluice/testkit/download.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMediaTokens } from '../../src/access/media-tokens.ts'
import { createApiToken } from '../../src/access/tokens.ts'
import { createSealer } from '../../src/security/seal.ts'

const objects = {
  'in/list.m3u8': '#EXTM3U',
  'in/seg/1.ts': '0123456789',
  'in/seg/2 ü#?%41.ts': 'odd',
  'in/page.html': '<script>',
  'inner/x.ts': 'x',
  'top.m3u8': '#EXTM3U top',
}

describe('the link to a file that names others', () => {
  let world: World
  let streamed: Awaited<ReturnType<typeof connect>>
  beforeAll(async () => {
    world = await startWorld({ CORS_ORIGINS: 'https://viewer.example' })
    streamed = await connect({ presign: false })
  })
  afterAll(() => world?.stop())

  const get = (url: string | URL, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(url, { method, headers, redirect: 'manual' })
  const statusOf = async (url: string | URL, headers?: Record<string, string>) => (await get(url, headers)).status
  /** The link in the data of a new task. */
  async function linkIn(
    project: string,
    uri: string,
    { client = world.app as Pick<World['app'], 'request'>, token = true } = {},
  ) {
    const [id] = await createTasks(world.app, project, [{ file: uri }])
    const { task } = await client.request(
      'query ($id: ID!, $token: Boolean) { task(id: $id) { resolvedData(mediaToken: $token) } }',
      { id, token },
    )
    return task.resolvedData.file as string
  }
  async function connect(settings: { presign: boolean; [setting: string]: unknown }) {
    const storage = await world.storage({ objects, ...settings })
    const link = await linkIn(storage.project, `s3://${storage.bucket}/in/list.m3u8`)
    const base = `${world.app.url}/projects/${numberOf(storage.project)}/files`
    const token = link.slice(base.length + 1).split('/')[0]!
    return { ...storage, link, base, token, own: `${base}/${token}/${storage.databaseId}` }
  }

  it('streams the file, and redirects for its neighbours if the storage presigns', async () => {
    const { link, own } = await connect({ presign: true })
    expect(link).toBe(`${own}/in/list.m3u8`)
    const playlist = await get(link)
    expect([playlist.status, await playlist.text()]).toEqual([200, objects['in/list.m3u8']])
    expect(playlist.headers.get('content-type')).toBe('application/vnd.apple.mpegurl')
    const segment = await get(new URL('seg/1.ts', link))
    expect([segment.status, segment.headers.get('cache-control')]).toEqual([303, 'no-store'])
    expect(await (await fetch(segment.headers.get('location')!)).text()).toBe('0123456789')
    // A presigned URL refuses HEAD.
    expect((await get(new URL('seg/1.ts', link), {}, 'HEAD')).status).toBe(200)
  })

  it('streams its neighbours for a media element without CORS, which plays no redirected segment', async () => {
    const { link } = await connect({ presign: true })
    for (const [dest, mode, status] of [
      ['video', 'no-cors', 200],
      ['audio', 'no-cors', 200],
      ['video', 'cors', 303],
      ['image', 'no-cors', 303],
    ] as const) {
      const headers = { 'sec-fetch-dest': dest, 'sec-fetch-mode': mode }
      const { answer } = await openDownload(new URL('seg/1.ts', link).href, { headers })
      answer.resume()
      expect([dest, mode, answer.statusCode]).toEqual([dest, mode, status])
    }
  })

  it('streams neighbours otherwise, like a resolve link: ranges, conditions, HEAD, CORS, isolation', async () => {
    const { link } = await connect({ presign: false })
    const segment = new URL('seg/1.ts', link)
    const part = await get(segment, { range: 'bytes=2-4', origin: 'https://viewer.example' })
    expect([part.status, await part.text(), part.headers.get('content-range')]).toEqual([206, '234', 'bytes 2-4/10'])
    expect(Object.fromEntries(part.headers)).toMatchObject({
      'access-control-allow-origin': 'https://viewer.example',
      'content-type': 'video/mp2t',
      'cross-origin-resource-policy': 'cross-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    expect(await statusOf(segment, { 'if-none-match': part.headers.get('etag')! })).toBe(304)
    expect(await statusOf(segment, { range: 'bytes=10-' })).toBe(416)
    const head = await get(segment, {}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
    expect((await get(segment, { origin: 'https://viewer.example' }, 'OPTIONS')).status).toBe(204)
    expect((await get(segment, {}, 'POST')).status).toBe(405)
    const page = await get(new URL('page.html', link))
    expect(page.headers.get('content-security-policy')).toBe("sandbox; default-src 'none'")
    // A query belongs to no key.
    expect(await (await get(new URL('seg/1.ts?x=1', link))).text()).toBe('0123456789')
    expect(await (await get(new URL('seg/2%20%C3%BC%23%3F%2541.ts', link))).text()).toBe('odd')
    expect(await statusOf(new URL('seg/none.ts', link))).toBe(404)
  })

  it('opens its folder and what is below, and no other file', async () => {
    const { link, own, project, bucket } = await connect({ presign: false })
    expect(await statusOf(new URL('seg/1.ts', link))).toBe(200)
    const outside = [new URL('../inner/x.ts', link), new URL('../top.m3u8', link), `${own}/inner/x.ts`, `${own}/in`]
    for (const url of outside) {
      const answer = await get(url)
      expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'NOT_FOUND' }])
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    }
    // A file at the top of a bucket is in the folder that holds everything.
    const top = await linkIn(project, `s3://${bucket}/top.m3u8`)
    expect(await statusOf(new URL('inner/x.ts', top))).toBe(200)
  })

  it('opens no other storage and no other project', async () => {
    const [one, two] = [await connect({ presign: false }), await connect({ presign: false })]
    const sibling = await world.storage({ project: one.project, objects, presign: false })
    const key = 'in/list.m3u8'
    expect(await statusOf(`${one.base}/${one.token}/${sibling.databaseId}/${key}`)).toBe(404)
    expect(await statusOf(`${one.base}/${one.token}/${two.databaseId}/${key}`)).toBe(404)
    expect(await statusOf(`${two.base}/${one.token}/${two.databaseId}/${key}`)).toBe(404)
    const header = { authorization: `Bearer ${world.app.token}` }
    expect(await statusOf(`${one.base}/-/${sibling.databaseId}/${key}`, header)).toBe(200)
    expect(await statusOf(`${one.base}/-/${two.databaseId}/${key}`, header)).toBe(404)
    expect(await statusOf(`${world.app.url}/projects/999999/files/-/${two.databaseId}/${key}`, header)).toBe(404)
  })

  it('needs a token for a folder, or a header', async () => {
    const { link, own, base, token, project, bucket, databaseId } = await connect({ presign: false })
    const plain = await linkIn(project, `s3://${bucket}/in/list.m3u8`, { token: false })
    expect(plain).toBe(`${base}/-/${databaseId}/in/list.m3u8`)
    const refused = await get(plain)
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    const authorization = `Bearer ${world.app.token}`
    expect(await statusOf(plain, { authorization })).toBe(200)
    // A header takes precedence over the token.
    expect(await statusOf(link, { authorization: 'Bearer wrong' })).toBe(401)
    for (const wrong of ['', 'x', 'a.b.c', `${token.slice(0, -4)}AAAA`, encodeURIComponent(`${token} `)]) {
      expect([wrong, await statusOf(link.replace(token, wrong))]).toEqual([wrong, 401])
    }
    // The tokens of resolve links and of files are not interchangeable.
    const resolveLink = await linkIn(project, `s3://${bucket}/in/seg/1.ts`)
    const mediaToken = new URL(resolveLink).searchParams.get('token')!
    expect(await statusOf(resolveLink)).toBe(200)
    expect(await statusOf(resolveLink.replace(mediaToken, token))).toBe(401)
    expect(await statusOf(link.replace(token, mediaToken))).toBe(401)
    expect(await statusOf(`${own}/in/seg/1.ts`, { authorization: `Bearer ${token}` })).toBe(401)
  })

  it('ends when the key of the project is rotated, the API token is revoked, or its time is over', async () => {
    const { project, bucket, databaseId, base, link } = await connect({ presign: false })
    const { row, token } = await createApiToken(world.app.orm.em, 'maker')
    const client = createClient(world.app.url, token)
    const made = await linkIn(project, `s3://${bucket}/in/list.m3u8`, { client })
    expect(await statusOf(made)).toBe(200)
    await world.app.request('mutation ($id: ID!) { revokeApiToken(id: $id) { __typename } }', {
      id: Buffer.from(`ApiToken:${row.id}`).toString('base64'),
    })
    expect([await statusOf(made), await statusOf(link)]).toEqual([401, 200])
    await client.close()

    const sealer = createSealer('test-secret-key-test-secret-key-test')
    const { row: other } = await createApiToken(world.app.orm.em, 'other')
    const viewer = { id: `token:${other.id}`, name: 'other' }
    const tokens = createMediaTokens({ em: world.app.orm.em, sealer, getViewer: async () => viewer })
    const short = await tokens.issue(viewer, {
      ...{ project: numberOf(project), ttlSeconds: 1 },
      folder: { storage: databaseId, path: 'in/' },
    })
    const brief = `${base}/${short.token}/${databaseId}/in/list.m3u8`
    expect(await statusOf(brief)).toBe(200)
    await until(() => Date.now() > short.expiresAt.getTime(), { what: 'the end of the token' })
    expect([await statusOf(brief), await statusOf(link)]).toEqual([401, 200])

    const rotate = 'mutation ($id: ID!) { rotateMediaKey(projectId: $id) { __typename } }'
    const { rotateMediaKey } = await world.app.request(rotate, { id: project })
    expect(rotateMediaKey).toEqual({ __typename: 'RotateMediaKeySuccess' })
    expect(await statusOf(link)).toBe(401)
  })

  it('lives as long as a presigned URL for players', async () => {
    const lifetime = async (mediaTtlMinutes: number) => {
      const { token } = await connect({ presign: false, mediaTtlMinutes })
      const { exp } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
      return exp - Date.now() / 1_000
    }
    for (const [minutes, seconds] of [
      [15, 3_600],
      [480, 28_800],
      [10_080, 86_400],
    ] as const) {
      const lived = await lifetime(minutes)
      expect(lived).toBeGreaterThan(seconds - 60)
      expect(lived).toBeLessThanOrEqual(seconds * 1.25)
    }
  })

  it('serves a key by the rules of resolve: inside the prefix, by the storage with the longest one', async () => {
    const bucket = await world.bucket(objects)
    const project = await createProject(world.app)
    const location = (prefix: string) => world.location(bucket, { prefix })
    const narrow = await world.storage({ bucket, project, location: location('in/'), presign: false })
    const deep = await world.storage({ bucket, project, location: location('in/seg/'), presign: true })
    const link = await linkIn(project, `s3://${bucket}/in/list.m3u8`)
    expect(link).toContain(`/${narrow.databaseId}/in/list.m3u8`)
    expect(await statusOf(new URL('page.html', link))).toBe(200)
    expect(await statusOf(new URL('seg/1.ts', link))).toBe(303)
    const authorization = `Bearer ${world.app.token}`
    const base = `${world.app.url}/projects/${numberOf(project)}/files/-`
    expect(await statusOf(`${base}/${deep.databaseId}/in/page.html`, { authorization })).toBe(404)
    expect(await statusOf(`${base}/${narrow.databaseId}/inner/x.ts`, { authorization })).toBe(404)

    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id: narrow.id })
    expect(await statusOf(link)).toBe(404)
  })

  it.each([
    ['', 400],
    ['in/', 400],
    ['in//seg/1.ts', 400],
    ['in/../inner/x.ts', 400],
    ['in/./list.m3u8', 400],
    ['in/%2e%2e/inner/x.ts', 400],
    ['in/.%2E/inner/x.ts', 400],
    ['in/..%2finner/x.ts', 400],
    ['in%2flist.m3u8', 400],
    ['in/..%5cinner%5cx.ts', 400],
    ['in\\..\\inner\\x.ts', 400],
    ['in/a%00.ts', 400],
    ['in/%ff.ts', 400],
    ['in/%c0%ae%c0%ae/inner/x.ts', 400],
    ['in/%252e%252e/inner/x.ts', 404],
    ['in/..%252finner/x.ts', 404],
    ['in/100%.ts', 404],
    ['in/%zz.ts', 404],
    ['..%2f..%2fetc/passwd', 400],
    ['/etc/passwd', 400],
  ])('refuses the hostile path %s', async (path, status) => {
    const { own } = streamed
    const { answer } = await openDownload(`${own}/${path}`)
    answer.resume()
    expect([answer.statusCode, answer.headers['referrer-policy']]).toEqual([status, 'no-referrer'])
  })

  it('refuses a key that is too long', async () => {
    for (const [length, status] of [
      [1_100, 404],
      [8_200, 400],
    ] as const) {
      expect(await statusOf(`${streamed.own}/in/${'a'.repeat(length)}`)).toBe(status)
    }
  })

  it.each(['x', '0', '01', '-1', '1e3', '%31', '1234567890123456'])('is 400 for the id %s', async (id) => {
    const { base, token, databaseId } = streamed
    expect(await statusOf(`${base}/${token}/${id}/in/list.m3u8`)).toBe(400)
    expect(await statusOf(`${world.app.url}/projects/${id}/files/${token}/${databaseId}/in/list.m3u8`)).toBe(400)
  })

  it.each([
    '/projects/1/files',
    '/projects/1/files/',
    '/projects/1/files/-/2',
    '/tasks/1/files/-/2/a',
    '/x/projects/1/files/-/2/a',
  ])('is no link at %s', async (path) => {
    const { answer } = await openDownload(world.app.url + path)
    answer.resume()
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([404, undefined])
  })
})
