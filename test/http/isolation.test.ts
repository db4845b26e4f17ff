import { request } from 'node:http'
import { numberOf } from '@sluice/testkit/ids.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifyType } from '../../src/http/isolation.ts'
import { objectHeaders } from '../../src/http/object-headers.ts'

const isolation = "sandbox; default-src 'none'"

describe('classifyType', () => {
  it.each([
    ...['image/png', 'IMAGE/JPEG', 'image/gif', 'image/webp', 'image/avif', 'image/bmp', 'image/tiff', 'image/x-icon'],
    ...['audio/mpeg', 'audio/x-anything', 'video/mp4', 'Video/WebM;codecs="vp8, opus"', 'application/pdf'],
    ...['text/plain', 'text/plain; charset=utf-8', 'text/plain;charset="utf-8"; format=flowed', 'application/json'],
    ...['application/JSON ; charset=UTF-8', 'text/plain;'],
  ])('%j is harmless and is served unchanged', (type) => {
    expect(classifyType(type)).toEqual({ type, isHarmless: true })
  })

  it.each([
    ...['text/html', 'TEXT/HTML; charset=utf-8', 'application/xhtml+xml', 'text/xml', 'application/xml', 'text/xsl'],
    ...['image/svg+xml', 'IMAGE/SVG+XML;charset=utf-8', 'application/mathml+xml', 'text/javascript', 'text/css'],
    ...[
      'application/octet-stream',
      'application/x-shockwave-flash',
      'message/rfc822',
      'text/vtt',
      'x/y',
      'image/unknown',
    ],
    ...['application/json+html', 'text/plainx', 'application/x-pdf'],
  ])('%j is isolated and is served unchanged', (type) => {
    expect(classifyType(type)).toEqual({ type, isHarmless: false })
  })

  it.each([
    ['image/png; name=my photo.png', { type: 'image/png', isHarmless: true }],
    ['text/html; x=image/png', { type: 'text/html', isHarmless: false }],
    ['text/plain; charset="x', { type: 'text/plain', isHarmless: true }],
    ['multipart/mixed; boundary=a/b', { type: 'application/octet-stream', isHarmless: false }],
  ])('%j is served without its malformed parameters', (type, served) => {
    expect(classifyType(type)).toEqual(served)
  })

  it.each(['multipart/x-mixed-replace; boundary=x', 'Multipart/Mixed', 'multipart/form-data; boundary="x"'])(
    '%j is served as bytes, because the policy does not reach its parts',
    (type) => {
      expect(classifyType(type)).toEqual({ type: 'application/octet-stream', isHarmless: false })
    },
  )

  it.each([
    ...['', 'image', 'image/', '/png', 'image//png', 'image /png', 'image/png/x', 'text/plain, text/html'],
    ...[
      'text/plain; a=b, text/html',
      'text/plain;, text/html',
      'image/png text/html',

      'téxt/plain',
    ],
    ...['text/plain\r\nx: y', 'text/plain; x=\u0000', `text/plain; x=${'a'.repeat(600)}`, '*/*,text/html'],
  ])('%j is no media type', (type) => {
    expect(classifyType(type)).toBeNull()
  })

  it.each(['; ', ';', ' ;', '\\"', '; a=b'])(
    'refuses a long value that repeats %j without a second pass over it',
    (part) => {
      for (const repeated of [part.repeat(100), part.repeat(50_000)]) {
        const begun = performance.now()
        expect([classifyType(`text/plain${repeated},`), classifyType(`text/plain;a="${repeated},`)]).toEqual([
          null,
          null,
        ])
        expect(performance.now() - begun).toBeLessThan(500)
      }
    },
  )
})

describe('objectHeaders', () => {
  it.each([
    [null, 'none.zzz', 'application/octet-stream', isolation],
    [null, 'photo.png', 'image/png', undefined],
    [null, 'drawing.svg', 'image/svg+xml', isolation],
    ['text/plain, text/html', 'none.zzz', 'application/octet-stream', isolation],
    ['text/plain, text/html', 'page.html', 'text/html', isolation],
    ['application/octet-stream', 'page.html', 'text/html', isolation],
    ['multipart/x-mixed-replace; boundary=x', 'photo.png', 'application/octet-stream', isolation],
    ['text/html', 'photo.png', 'text/html', isolation],
  ])('for type %j and key %s have the content type %s and the policy %s', (contentType, key, type, policy) => {
    const object = { size: 1, etag: null, lastModified: null, contentType }
    const asked = { etag: null, key, cacheSeconds: 1, vary: 'Authorization', embeddableBy: 'same-site' } as const
    const list = objectHeaders(object, asked)
    const headerOf = (name: string) => (list.includes(name) ? list[list.indexOf(name) + 1] : undefined)
    expect([headerOf('Content-Type'), headerOf('Content-Security-Policy')]).toEqual([type, policy])
    const embedded = objectHeaders(object, { ...asked, embeddableBy: 'cross-origin' })
    expect([list, embedded].map((some) => some[some.indexOf('Cross-Origin-Resource-Policy') + 1])).toEqual([
      'same-site',
      'cross-origin',
    ])
  })
})

describe('a proxied object', () => {
  let world: World
  let project: number
  let mediaToken: string
  let uri: (key: string) => string
  beforeAll(async () => {
    world = await startWorld()
    const storage = await world.storage({ objects: { 'page.html': '<script>', 'photo.png': 'png' }, presign: false })
    const signed = await world.storage({ objects: { 'a.txt': 'a' }, project: storage.project })
    project = numberOf(storage.project)
    uri = (key) => `s3://${key === 'a.txt' ? signed.bucket : storage.bucket}/${key}`
    await world.s3.put(storage.bucket, 'none.zzz', 'x', 'application/octet-stream')
    const { createMediaToken } = await world.app.request(
      'mutation ($projectId: ID!) { createMediaToken(input: { projectId: $projectId }) { ... on CreateMediaTokenSuccess { mediaToken { token } } } }',
      { projectId: storage.project },
    )
    mediaToken = createMediaToken.mediaToken.token
  })
  afterAll(() => world?.stop())

  const link = (key: string) =>
    `${world.app.url}/projects/${project}/resolve/?fileuri=${Buffer.from(uri(key)).toString('base64url')}`
  const bearer = () => ({ authorization: `Bearer ${world.app.token}` })
  /** Status and the headers that isolate, of one response. */
  const told = async (url: string, headers: Record<string, string> = {}, method = 'GET') => {
    const answer = await fetch(url, { method, headers, redirect: 'manual' })
    await answer.text()
    const { status } = answer
    const name = (header: string) => answer.headers.get(header)
    return {
      ...{ status, type: name('content-type'), policy: name('content-security-policy') },
      ...{ sniff: name('x-content-type-options'), embeddableBy: name('cross-origin-resource-policy') },
    }
  }

  it.each<{ what: string; headers: Record<string, string>; method: string; status: number }>([
    { what: 'the whole object', headers: {}, method: 'GET', status: 200 },
    { what: 'a HEAD request', headers: {}, method: 'HEAD', status: 200 },
    { what: 'a range', headers: { range: 'bytes=0-1' }, method: 'GET', status: 206 },
    { what: 'a range past the end', headers: { range: 'bytes=99-' }, method: 'GET', status: 416 },
    { what: 'a failed condition', headers: { 'if-match': '"other"' }, method: 'GET', status: 412 },
    { what: 'a wrong method', headers: {}, method: 'POST', status: 405 },
  ])('is isolated in the response to $what', async ({ headers, method, status }) => {
    expect(await told(link('page.html'), { ...bearer(), ...headers }, method)).toMatchObject({
      ...{ status, policy: isolation, sniff: 'nosniff', embeddableBy: 'same-site' },
    })
  })

  it('is isolated in a 304, from which browsers update headers', async () => {
    const whole = await fetch(link('page.html'), { headers: bearer() })
    await whole.text()
    const again = { ...bearer(), 'if-none-match': whole.headers.get('etag')! }
    // By node:http, since fetch may answer a 304 from its own cache.
    const answer = await new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
      const asked = request(link('page.html'), { headers: again }, (res) => {
        res.resume()
        resolve({ status: res.statusCode!, headers: res.headers })
      })
      asked.once('error', reject).end()
    })
    expect(answer).toMatchObject({
      status: 304,
      headers: {
        'content-security-policy': isolation,
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-site',
      },
    })
  })

  it('of unknown type is isolated and served as bytes', async () => {
    expect(await told(link('none.zzz'), bearer())).toMatchObject({
      ...{ status: 200, type: 'application/octet-stream', policy: isolation, sniff: 'nosniff' },
    })
  })

  it('of a harmless type has no policy, so that images, players and PDF viewers work', async () => {
    expect(await told(link('photo.png'), bearer())).toMatchObject({ status: 200, type: 'image/png', policy: null })
  })

  it('can be embedded by other sites only if a media token authorized the request', async () => {
    const withToken = `&token=${mediaToken}`
    for (const key of ['photo.png', 'page.html', 'a.txt', 'missing.png']) {
      const open = await told(link(key) + withToken)
      expect([key, open.embeddableBy]).toEqual([key, 'cross-origin'])
      const own = await told(link(key), bearer())
      expect([key, own.embeddableBy, own.status]).toEqual([key, 'same-site', open.status])
    }
    expect((await told(link('a.txt'), bearer())).status).toBe(303)
  })

  it('cannot be embedded by other sites because of a token in the URL that did not authorize the request', async () => {
    for (const [url, headers] of [
      [`${link('photo.png')}&token=${mediaToken}`, bearer()],
      [`${link('photo.png')}&token=x`, bearer()],
      [`${link('photo.png')}&token=x`, {}],
    ] as const) {
      expect((await told(url, headers)).embeddableBy).toBe('same-site')
    }
  })

  it.each(['/health', '/ready', '/nowhere', '/metrics', '/tasks/x/resolve/'])(
    'has the same guard headers as the page %s',
    async (path) => {
      expect(await told(world.app.url + path)).toMatchObject({ policy: isolation, sniff: 'nosniff' })
    },
  )
})
