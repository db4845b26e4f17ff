import { openSocket } from '@sluice/testkit/socket.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { type SeenEvent, storageEvents } from '@sluice/testkit/subscribe.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const subscription = `subscription ($storageId: ID!) { storageChanged(storageId: $storageId) {
  type: __typename cursor ... on StorageState { kind run { status failure } } } }`

/** A subscriber that can stop reading what the server sends. */
interface Reader {
  seen: SeenEvent[]
  pause(): void
  resume(): void
  close(): void
}

async function readSocket(variables: object): Promise<Reader> {
  const { socket, ready } = await openSocket(world.app.url, { authorization: `Bearer ${world.app.token}` })
  await ready()
  const seen: SeenEvent[] = []
  socket.on('message', (data) => {
    const { type, payload } = JSON.parse(String(data))
    if (type === 'next') seen.push(payload.data.storageChanged)
  })
  socket.send(JSON.stringify({ id: 'a', type: 'subscribe', payload: { query: subscription, variables } }))
  // The server's pings wait among what is not read; whoever gave no sign of life at all would be cut off.
  const living = setInterval(() => socket.pong(), 500)
  socket.once('close', () => clearInterval(living))
  return { seen, pause: () => socket.pause(), resume: () => socket.resume(), close: () => socket.terminate() }
}

async function readSse(variables: object): Promise<Reader> {
  const leaving = new AbortController()
  const { body } = await fetch(`${world.app.url}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${world.app.token}`,
    },
    body: JSON.stringify({ query: subscription, variables }),
    signal: leaving.signal,
  })
  const seen: SeenEvent[] = []
  let going = Promise.withResolvers<void>()
  going.resolve()
  const read = async () => {
    let text = ''
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split('\n')
      text = lines.pop()!
      for (const line of lines) {
        if (line.startsWith('data: ')) seen.push(JSON.parse(line.slice(6)).data.storageChanged)
      }
      await going.promise
    }
  }
  read().catch(() => {})
  return {
    seen,
    pause() {
      going = Promise.withResolvers()
    },
    resume: () => going.resolve(),
    close: () => leaving.abort(),
  }
}

describe.each([
  { transport: 'WebSocket', open: readSocket },
  { transport: 'SSE', open: readSse },
])('a subscriber over $transport that stops reading', ({ open }) => {
  it('has a bounded queue, receives LAGGED, and still receives every status once and in order', async () => {
    const storage = await world.storage({ objects: {} })
    const sql = (text: string, params: unknown[] = []) => query(world.app.databaseUrl, text, params)
    const [{ run }] = await sql(
      "insert into sync_run (storage_id, status) values ($1, 'CANCELED') returning id::int as run",
      [storage.databaseId],
    )
    const reader = await open({ storageId: storage.id })
    await until(() => reader.seen.length === 1)
    reader.pause()
    // One who reads: the events come no faster than to that one, so that none waits for the server.
    const fast = storageEvents(world.app, 'WebSocket', { storageId: storage.id })
    await fast.next()
    // More than the buffers of both kernels and the queue hold.
    const events = 1_500
    for (let n = 0; n < events / 100; n++) {
      await sql(
        `with added as (insert into event (kind, project, storage, run, payload)
           select 'STATUS', s.project_id, s.id, r.id, to_jsonb(r) || jsonb_build_object('failure', repeat('x', 30000))
           from sync_run r join storage s on s.id = r.storage_id, generate_series(1, 100) where r.id = $1 returning id)
         select pg_notify('sluice_events', max(id)::text) from added`,
        [run],
      )
      for (let m = 0; m < 100; m++) expect((await fast.next()).value).toMatchObject({ kind: 'STATUS' })
    }
    await fast.return(undefined)
    const log = await sql('select id::text from event where storage = $1 order by event.id', [storage.databaseId])
    expect(log).toHaveLength(events)
    expect(reader.seen.length).toBeLessThan(events)

    reader.resume()
    await until(() => reader.seen.at(-1)?.cursor === log.at(-1).id)
    expect(reader.seen.filter(({ kind }) => kind === 'STATUS').map(({ cursor }) => cursor)).toEqual(
      log.map(({ id }) => id),
    )
    // Its events have waited in the queue, which has a bound, and not in a buffer of the socket.
    expect(reader.seen.some(({ type }) => type === 'Lagged')).toBe(true)
    reader.close()
    await until(() => world.app.events.size === 2)
  })
})
