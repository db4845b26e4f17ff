import { Agent } from 'node:http'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { outcome } from '@sluice/testkit/download.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { digits, large, streamed } from './resolve-place.ts'

describe('a streamed object', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ RESOLVER_PROXY_TIMEOUT: '0' })
  })
  afterAll(() => world?.stop())

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

  it('is completed after its storage was deleted, and then no longer served', async () => {
    const { get, open, id } = await streamed(world, { large })
    const { answer } = await open('large')
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id })
    expect((await get('large')).status).toBe(404)
    const { body, complete } = await outcome(answer)
    expect([body.toString() === large, complete]).toEqual([true, true])
  })
})
