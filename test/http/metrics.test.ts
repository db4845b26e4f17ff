import { request } from 'node:http'
import { openDownload, outcome } from '@sluice/testkit/download.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { storageEvents } from '@sluice/testkit/subscribe.ts'
import { waitFor } from '@sluice/testkit/wait-for.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const token = 'metrics-token-0123456789'

describe('/metrics', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ METRICS_TOKEN: token, RESOLVER_PROXY_TIMEOUT: '3' })
  })
  afterAll(() => world?.stop())

  const ask = (authorization?: string) =>
    fetch(`${world.app.url}/metrics`, authorization ? { headers: { authorization } } : {})
  /** The value of a line, such as `sluice_resolve_streams`; 0 when there is none. */
  const value = async (name: string) => {
    const text = await (await ask(`Bearer ${token}`)).text()
    const line = text.split('\n').find((one) => one.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1) ?? 0)
  }
  const link = async (objects: Record<string, string>, presign = false) => {
    const storage = await world.storage({ objects, presign })
    const project = numberOf(storage.project)
    return (key: string) =>
      `${world.app.url}/projects/${project}/resolve/?fileuri=${Buffer.from(`s3://${storage.bucket}/${key}`).toString('base64url')}`
  }
  const headers = () => ({ authorization: `Bearer ${world.app.token}` })

  it('requires its own token', async () => {
    for (const wrong of [undefined, 'Bearer wrong', `Bearer ${world.app.token}`]) {
      expect((await ask(wrong)).status).toBe(401)
    }
    const answer = await ask(`Bearer ${token}`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
    const text = await answer.text()
    for (const name of ['process_resident_memory_bytes', 'sluice_runs{status="QUEUED"}', 'sluice_resolve_streams']) {
      expect(text).toContain(name)
    }
  })

  it('counts requests by mode and status, bytes, and the response times of storages', async () => {
    const [streamed, signed] = [await link({ 'a.txt': 'hello' }), await link({ 'a.txt': 'hello' }, true)]
    for (const url of [streamed('a.txt'), streamed('none'), signed('a.txt')]) {
      await (await fetch(url, { headers: headers(), redirect: 'manual' })).text()
    }
    await fetch(streamed('a.txt'))
    await until(async () => (await value('sluice_resolve_requests_total{mode="NONE",status="401"}')) === 1)
    expect(await value('sluice_resolve_requests_total{mode="PROXY",status="200"}')).toBe(1)
    expect(await value('sluice_resolve_requests_total{mode="PROXY",status="404"}')).toBe(1)
    expect(await value('sluice_resolve_requests_total{mode="PRESIGN",status="303"}')).toBe(1)
    expect(await value('sluice_resolve_bytes_total')).toBe(5)
    expect(await value('sluice_resolve_upstream_seconds_count')).toBe(1)
  })

  it('counts open streams, streams aborted by clients, and streams that were continued', async () => {
    const huge = 'x'.repeat(16_000_000)
    const url = await link({ huge, cut: huge.slice(0, 2_000_000) })
    const asked = request(url('huge'), { headers: headers() }).end()
    await waitFor(asked, 'response')
    expect(await value('sluice_resolve_streams')).toBe(1)
    asked.on('error', () => {}).destroy()
    await until(async () => (await value('sluice_resolve_streams')) === 0)
    expect(await value('sluice_resolve_aborted_total{by="client"}')).toBe(1)
    world.front.fail({ cutAfterBytes: 1_000_000, match: ({ key }) => key === 'cut' })
    await (await fetch(url('cut'), { headers: headers() })).text()
    await until(async () => (await value('sluice_resolve_continued_total')) === 1)
  })

  it('distinguishes streams that timed out from streams that their storage broke off', async () => {
    const huge = 'x'.repeat(32_000_000)
    const url = await link({ slow: huge, cut: huge.slice(0, 2_000_000) })
    const slow = await openDownload(url('slow'), { headers: headers() })
    await until(async () => (await value('sluice_resolve_aborted_total{by="timeout"}')) === 1)
    expect((await outcome(slow.answer)).complete).toBe(false)
    world.front.fail({ cutAfterBytes: 1_000_000, match: ({ key }) => key === 'cut' })
    const gone = world.front.fail({ reset: true, times: Infinity, match: ({ key }) => key === 'cut' })
    onTestFinished(() => gone.release())
    const cut = await openDownload(url('cut'), { headers: headers() })
    expect((await outcome(cut.answer)).complete).toBe(false)
    await until(async () => (await value('sluice_resolve_aborted_total{by="storage"}')) === 1)
    expect(await value('sluice_resolve_aborted_total{by="timeout"}')).toBe(1)
  })

  it('counts subscriptions from their snapshot until they are closed', async () => {
    const project = await createProject(world.app)
    const before = await value('sluice_event_feeds')
    const stream = storageEvents(world.app, 'WebSocket', { projectId: project })
    await stream.next()
    expect(await value('sluice_event_feeds')).toBe(before + 1)
    await stream.return(undefined)
    await until(async () => (await value('sluice_event_feeds')) === before)
  })
})

describe('without METRICS_TOKEN', () => {
  it('/metrics is not found', async () => {
    const world = await startWorld()
    expect((await fetch(`${world.app.url}/metrics`)).status).toBe(404)
    await world.stop()
  })
})
