import { connect } from 'node:net'
import { type Download, outcome } from '@sluice/testkit/download.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createApiToken } from '../../src/access/tokens.ts'
import { digits, large, metricOf, metricsToken, streamed } from './resolve-place.ts'

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
