import {
  type Client,
  createClient,
  StorageChangedDocument,
  type StorageChangedSubscription,
  SyncRunChangedDocument,
} from '@sluice/client'
import { startTestApp } from '@sluice/testkit/app.ts'
import { freePort } from '@sluice/testkit/free-port.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { type HttpProxy, startProxy } from '@sluice/testkit/proxy.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

type Event = StorageChangedSubscription['storageChanged']

let world: World
beforeAll(async () => {
  world = await startWorld({ SUBSCRIPTION_HEARTBEAT: '0.2' })
})
afterAll(() => world?.stop())

/** A client of `url` and its subscription to a project, whose messages `seen` collects. */
function watch(url: string, transport: 'WebSocket' | 'SSE', projectId: string, silenceSeconds = 45) {
  const client = createClient({ url, token: world.app.token, transport })
  onTestFinished(() => client.close())
  const seen: Event[] = []
  const retries: Error[] = []
  const options = { silenceSeconds, onRetry: (error: Error) => retries.push(error) }
  const reading = (async () => {
    for await (const { storageChanged } of client.subscribe(StorageChangedDocument, { projectId }, options)) {
      seen.push(storageChanged)
    }
  })()
  // Ends when the client is closed.
  reading.catch(() => {})
  const states = () => seen.filter((event) => event.__typename === 'StorageState')
  const statuses = () => states().filter(({ kind }) => kind === 'STATUS')
  return {
    seen,
    retries,
    states,
    statuses,
    isSynced: (times: number) => () => statuses().filter(({ run }) => run?.status === 'COMPLETED').length >= times,
  }
}

/** The cursors of all changes of status of a project, as the event log has them. */
async function loggedStatuses(projectId: string): Promise<string[]> {
  const number = numberOf(projectId)
  const text = `select id::text from event where project = $1 and kind = 'STATUS' order by event.id`
  return (await query(world.app.databaseUrl, text, [number])).map(({ id }) => id)
}

describe.each(['WebSocket', 'SSE'] as const)('a subscription over %s', (transport) => {
  async function proxied(): Promise<HttpProxy> {
    const proxy = await startProxy(world.app.url)
    onTestFinished(() => proxy.stop())
    return proxy
  }

  it('continues after its connection is cut: no status is lost or repeated', async () => {
    const proxy = await proxied()
    const { id, project } = await world.storage({ objects: { a: '', b: '' } })
    const { seen, states, statuses, isSynced } = watch(proxy.url, transport, project)
    await until(() => states().some(({ kind }) => kind === 'SNAPSHOT'))
    await sync(world.app, id)
    await until(isSynced(1))
    // A sync that nobody hears of, then one that everybody hears of.
    proxy.cut({ stayDown: true })
    await sync(world.app, id)
    proxy.restore()
    await until(isSynced(2))
    proxy.cut()
    await sync(world.app, id)
    await until(isSynced(3))
    expect(statuses().map(({ cursor }) => cursor)).toEqual(await loggedStatuses(project))
    expect(states().filter(({ kind }) => kind === 'SNAPSHOT')).toHaveLength(1)
    expect(seen.some(({ __typename }) => __typename === 'Lagged')).toBe(false)
  })

  it('continues after the server restarts: no status is lost or repeated', async () => {
    const { id, project } = await world.storage({ objects: { a: '' } })
    const port = String(await freePort())
    const start = () => startTestApp({ PORT: port }, { url: world.app.databaseUrl })
    let server = await start()
    onTestFinished(() => server.stop())
    const { retries, states, statuses, isSynced } = watch(server.url, transport, project)
    await until(() => states().some(({ kind }) => kind === 'SNAPSHOT'))
    await sync(world.app, id)
    await until(isSynced(1))
    await server.stop()
    await sync(world.app, id)
    server = await start()
    await until(isSynced(2))
    await sync(world.app, id)
    await until(isSynced(3))
    expect(statuses().map(({ cursor }) => cursor)).toEqual(await loggedStatuses(project))
    expect(retries.length).toBeGreaterThan(0)
  })

  it('continues over a new connection when the current one is silent', async () => {
    const proxy = await proxied()
    const { id, project } = await world.storage({ objects: { a: '' } })
    const { retries, states, statuses, isSynced } = watch(proxy.url, transport, project, 2)
    await until(() => states().some(({ kind }) => kind === 'SNAPSHOT'))
    proxy.freeze()
    await sync(world.app, id)
    await until(isSynced(1))
    expect(statuses().map(({ cursor }) => cursor)).toEqual(await loggedStatuses(project))
    expect(retries[0]).toMatchObject({ message: 'No message arrived for 2 s.' })
  })

  it('to a run ends after its final state, also when its connection is cut', async () => {
    const proxy = await proxied()
    const { id, bucket } = await world.storage({ objects: { a: '' } })
    const held = world.front.fail({ hold: true, match: (request) => request.bucket === bucket })
    const runId = await startSync(world.app, id)
    const client: Client = createClient({ url: proxy.url, token: world.app.token, transport })
    onTestFinished(() => client.close())
    const statuses: string[] = []
    const reading = (async () => {
      for await (const { syncRunChanged } of client.subscribe(SyncRunChangedDocument, { runId })) {
        statuses.push(syncRunChanged.status)
      }
    })()
    await until(() => statuses.length > 0)
    proxy.cut()
    held.release()
    await finished(world.app, runId)
    await reading
    expect(statuses.at(-1)).toBe('COMPLETED')
  })
})
