import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unknownId } from '@sluice/testkit/errors.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { tasksOf } from '@sluice/testkit/tasks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encode } from './resolve-place.ts'

const text = '0123456789'
const isolation = "sandbox; default-src 'none'"

describe('the link to an object', () => {
  let world: World
  let project: number
  /** Number of a task of the project. */
  let task: number
  beforeAll(async () => {
    world = await startWorld({ RESOLVER_PROXY_MAX_RANGE_SIZE: '1024' })
    const { app } = world
    mkdirSync(join(app.localRoot, 'in/deep'), { recursive: true })
    const files = {
      'a.txt': text,
      'deep/b.html': '<b>',
      'c.svg': '<svg/>',
      'd.xml': '<x/>',
      'e.xhtml': '<html/>',
      'f.xsl': '<x/>',
      'big.bin': 'x'.repeat(5_000),
      'empty.txt': '',
    }
    for (const [name, body] of Object.entries(files)) writeFileSync(join(app.localRoot, 'in', name), body)
    mkdirSync(join(app.localRoot, 'other'))
    writeFileSync(join(app.localRoot, 'other/x.txt'), 'x')
    const id = await createProject(app)
    const { storage } = await createStorage(app, { projectId: id, location: { localFiles: { path: 'in' } } })
    await sync(app, storage.id)
    project = numberOf(id)
    task = numberOf((await tasksOf(app, id))[0]!.id)
  })
  afterAll(() => world?.stop())

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(world.app.url + path, {
      method,
      redirect: 'manual',
      headers: { authorization: `Bearer ${world.app.token}`, ...headers },
    })
  const local = (key: string) => `/tasks/${task}/resolve/?fileuri=${encode(`local-files:///${key}`)}`

  it('streams a local file, by every spelling of the route', async () => {
    const uri = encode('local-files:///in/a.txt')
    for (const path of [
      `/tasks/${task}/resolve/?fileuri=${uri}`,
      `/tasks/${task}/resolve?fileuri=${uri}`,
      `/tasks/${task}/presign/?fileuri=${uri}`,
      `/projects/${project}/resolve/?fileuri=${uri}`,
      `/tasks/${task}/resolve/?fileuri=${encodeURIComponent('local-files:///in/a.txt')}`,
    ]) {
      const answer = await get(path)
      expect([path, answer.status, await answer.text()]).toEqual([path, 200, text])
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'text/plain',
        'content-length': '10',
        'accept-ranges': 'bytes',
        'cache-control': 'private, max-age=3600, must-revalidate',
        'x-content-type-options': 'nosniff',
        'last-modified': expect.any(String),
      })
    }
  })

  it.each([
    { range: 'bytes=2-4', status: 206, body: '234', content: 'bytes 2-4/10' },
    { range: 'bytes=7-', status: 206, body: '789', content: 'bytes 7-9/10' },
    { range: 'bytes=-3', status: 206, body: '789', content: 'bytes 7-9/10' },
    { range: 'bytes=-99', status: 206, body: text, content: 'bytes 0-9/10' },
    { range: 'bytes=0-0', status: 206, body: '0', content: 'bytes 0-0/10' },
    { range: 'bytes=8-99', status: 206, body: '89', content: 'bytes 8-9/10' },
    { range: 'bytes=0-1,4-5', status: 206, body: '01', content: 'bytes 0-1/10' },
    { range: 'bytes=99-,4-5', status: 206, body: '45', content: 'bytes 4-5/10' },
    { range: 'bytes=4-2', status: 200, body: text, content: null },
    { range: 'bytes=-', status: 200, body: text, content: null },
    { range: 'lines=1-2', status: 200, body: text, content: null },
  ])('answers the range $range with $status', async ({ range, status, body, content }) => {
    const answer = await get(local('in/a.txt'), { range })
    expect([answer.status, await answer.text(), answer.headers.get('content-range')]).toEqual([status, body, content])
    expect(answer.headers.get('content-length')).toBe(String(body.length))
  })

  it.each(['audio', 'video', 'track'])(
    'limits a range of a media element (%s), and returns its true size',
    async (element) => {
      const headers = (range: string) => ({ range, 'sec-fetch-dest': element })
      for (const [range, part] of [
        ['bytes=-2000', 'bytes 3976-4999/5000'],
        ['bytes=-9000', 'bytes 3976-4999/5000'],
        ['bytes=0-', 'bytes 0-1023/5000'],
        ['bytes=7-4999', 'bytes 7-1030/5000'],
      ] as const) {
        const answer = await get(local('in/big.bin'), headers(range))
        expect([answer.status, (await answer.text()).length, answer.headers.get('content-range')]).toEqual([
          206,
          1024,
          part,
        ])
      }
      expect((await (await get(local('in/big.bin'), { 'sec-fetch-dest': element })).text()).length).toBe(5_000)
    },
  )

  it.each([undefined, 'empty', 'document', 'image', 'iframe', 'object', 'embed'])(
    'returns to every other client (Sec-Fetch-Dest: %s) the whole range that it requested',
    async (destination) => {
      for (const [range, part] of [
        ['bytes=-2000', 'bytes 3000-4999/5000'],
        ['bytes=-9000', 'bytes 0-4999/5000'],
        ['bytes=0-', 'bytes 0-4999/5000'],
        ['bytes=7-', 'bytes 7-4999/5000'],
        ['bytes=7-4000', 'bytes 7-4000/5000'],
        ['bytes=7-,0-1', 'bytes 7-4999/5000'],
      ] as const) {
        const [, first, last] = /(\d+)-(\d+)/.exec(part)!.map(Number)
        const answer = await get(local('in/big.bin'), { range, ...(destination && { 'sec-fetch-dest': destination }) })
        expect([answer.status, answer.headers.get('content-range')]).toEqual([206, part])
        expect((await answer.text()).length).toBe(last! - first! + 1)
      }
    },
  )

  it('is 416 past the end of the object', async () => {
    for (const range of ['bytes=10-', 'bytes=10-12', 'bytes=-0', 'bytes=99999999999999999999-']) {
      const answer = await get(local('in/a.txt'), { range })
      expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */10'])
    }
    const nothing = await get(local('in/empty.txt'), { range: 'bytes=0-' })
    expect([nothing.status, nothing.headers.get('content-range')]).toEqual([416, 'bytes */0'])
    expect((await get(local('in/empty.txt'), { range: 'bytes=-5' })).status).toBe(200)
  })

  it('answers HEAD like GET, without a body', async () => {
    const answer = await get(local('in/a.txt'), {}, 'HEAD')
    expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([200, '', '10'])
    const ranged = await get(local('in/a.txt'), { range: 'bytes=0-1' }, 'HEAD')
    expect([ranged.status, ranged.headers.get('content-length')]).toEqual([200, '10'])
    const post = await get(local('in/a.txt'), {}, 'POST')
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  it('streams an empty file', async () => {
    const answer = await get(local('in/empty.txt'))
    expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([200, '', '0'])
  })

  it.each(['in/deep/b.html', 'in/c.svg', 'in/d.xml', 'in/e.xhtml', 'in/f.xsl'])(
    'serves active content of %s in a sandbox',
    async (key) => {
      const answer = await get(local(key))
      expect(answer.headers.get('content-security-policy')).toBe(isolation)
      await answer.text()
    },
  )

  it('serves active content in a sandbox, regardless of its name', async () => {
    const { project: id, bucket } = await world.storage({ objects: {}, presign: false })
    const link = (key: string) => `/projects/${numberOf(id)}/resolve/?fileuri=${encode(`s3://${bucket}/${key}`)}`
    for (const [type, sent, isActive] of [
      ['text/html', 'text/html', true],
      ['TEXT/HTML; charset=utf-8', 'TEXT/HTML; charset=utf-8', true],
      ['image/svg+xml', 'image/svg+xml', true],
      ['application/octet-stream', 'image/jpeg', false],
      ['binary/octet-stream', 'image/jpeg', false],
    ] as const) {
      await world.s3.put(bucket, 'photo.jpg', '<script>', type)
      for (const headers of [{}, { range: 'bytes=0-1' }] as Record<string, string>[]) {
        const answer = await get(link('photo.jpg'), headers)
        await answer.text()
        const told = ['content-type', 'x-content-type-options', 'content-security-policy'].map((name) =>
          answer.headers.get(name),
        )
        expect([type, ...told]).toEqual([type, sent, 'nosniff', isActive ? isolation : null])
      }
    }
  })

  it('needs a token', async () => {
    expect((await get(local('in/a.txt'), { authorization: '' })).status).toBe(401)
    const wrong = await get(local('in/a.txt'), { authorization: 'Bearer wrong' })
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  })

  it.each(['other/x.txt', 'in', 'in/../other/x.txt', 'in/nothing.txt', 'in/./a.txt', 'i'])(
    'does not serve %s',
    async (key) => {
      const answer = await get(local(key))
      expect([answer.status, await answer.json()]).toEqual([
        404,
        { code: expect.any(String), message: expect.any(String) },
      ])
    },
  )

  it('is 404 for tasks and projects that do not exist', async () => {
    const uri = encode('local-files:///in/a.txt')
    for (const path of [`/tasks/999999/resolve/?fileuri=${uri}`, `/projects/999999/resolve/?fileuri=${uri}`]) {
      expect((await get(path)).status).toBe(404)
    }
    expect(numberOf(unknownId('Task'))).toBe(999_999)
  })

  it('accepts a fileuri of at most 8 KiB', async () => {
    const start = `/projects/${project}/resolve/?fileuri=local-files:///in/`
    const rest = 'x'.repeat(8_192 - 'local-files:///in/'.length)
    expect([(await get(start + rest)).status, (await get(`${start}${rest}x`)).status]).toEqual([404, 400])
  })

  it('redirects to a presigned URL of S3, which serves the bytes', async () => {
    const storage = await world.storage({ objects: { 'a b/ü+1.txt': text, 'dot/../x.txt': 'dots' } })
    await sync(world.app, storage.id)
    for (const task of await tasksOf(world.app, storage.project)) {
      const { node } = await world.app.request(
        'query ($id: ID!) { node(id: $id) { ... on Task { databaseId resolvedData link { key } } } }',
        { id: task.id },
      )
      const link = node.resolvedData.file
      expect(link).toBe(`${world.app.url}/tasks/${node.databaseId}/resolve/?fileuri=${encode(task.data.file)}`)
      const answer = await get(link.slice(world.app.url.length))
      expect(node.link.key).toBe('a b/ü+1.txt')
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([303, 'no-store'])
      const signed = new URL(answer.headers.get('location')!)
      expect(signed.searchParams.get('X-Amz-Expires')).toBe('900')
      expect(await (await fetch(signed)).text()).toBe(text)
    }
    const dots = encode(`s3://${storage.bucket}/dot/../x.txt`)
    const answer = await get(`/projects/${numberOf(storage.project)}/resolve/?fileuri=${dots}`)
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'KEY_HAS_DOT_SEGMENTS' }])
  })

  it('streams from S3 when the storage does not presign', async () => {
    const storage = await world.storage({ objects: { 'a.txt': text }, presign: false })
    const path = `/projects/${numberOf(storage.project)}/resolve/?fileuri=${encode(`s3://${storage.bucket}/a.txt`)}`
    const answer = await get(path, { range: 'bytes=1-3' })
    expect([answer.status, await answer.text(), answer.headers.get('content-range')]).toEqual([
      206,
      '123',
      'bytes 1-3/10',
    ])
    const denied = world.front.fail({
      ...{ status: 403, code: 'AccessDenied', times: Infinity },
      match: ({ bucket }) => bucket === storage.bucket,
    })
    const refused = await get(path)
    denied.release()
    expect([refused.status, await refused.json()]).toEqual([502, { code: 'DENIED', message: expect.any(String) }])
  })
})
