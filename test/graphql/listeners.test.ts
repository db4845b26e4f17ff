import { startSync } from '@sluice/testkit/scenario.ts'
import { openSocket } from '@sluice/testkit/socket.ts'
import { query as sql, statementsOf, until } from '@sluice/testkit/sql.ts'
import { statusesOf, storageEvents, subscribe, transports, untilEnded } from '@sluice/testkit/subscribe.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordEvent } from '../../src/events/log.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

/** Feeds that the process itself reads: of the webhooks, and of the imports in other processes. */
const own = 2
const gone = () => until(() => world.app.events.size === own)
const query = 'subscription ($id: ID!) { storageChanged(storageId: $id) { cursor } }'

describe('a server with many subscriptions', () => {
  it('listens to the database on one connection', async () => {
    const storage = await world.storage({ objects: {} })
    const streams = Array.from({ length: 20 }, (_, n) =>
      storageEvents(world.app, transports[n % 2]!, { storageId: storage.id }),
    )
    for (const stream of streams) await stream.next()
    const listening = await sql(
      world.app.databaseUrl,
      "select 1 from pg_stat_activity where datname = current_database() and application_name = 'sluice listener'",
    )
    expect(listening).toHaveLength(1)
    for (const stream of streams) await stream.return(undefined)
    await gone()
  })

  it('reads a storage once for all snapshots', async () => {
    const storage = await world.storage({ objects: {} })
    const stream = storageEvents(world.app, 'WebSocket', { storageId: storage.id })
    const statements = await statementsOf(async () => {
      expect((await stream.next()).value).toMatchObject({ kind: 'SNAPSHOT', storage: { id: storage.id } })
    })
    expect(statements.filter((text) => text.includes('from "storage"'))).toHaveLength(1)
    await stream.return(undefined)
    await gone()
  })

  it('reads hardly more from the database for an event than with one subscription', async () => {
    const storage = await world.storage({ objects: {} })
    const [{ run }] = await sql(
      world.app.databaseUrl,
      "insert into sync_run (storage_id, status) values ($1, 'CANCELED') returning id::int as run",
      [storage.databaseId],
    )
    const readsOfAnEvent = async (subscribers: number) => {
      const streams = Array.from({ length: subscribers }, (_, n) =>
        storageEvents(world.app, transports[n % 2]!, { storageId: storage.id }),
      )
      for (const stream of streams) await stream.next()
      const statements = await statementsOf(async () => {
        await recordEvent(world.app.orm.em.fork(), 'STATUS', { type: 'RUN', id: run })
        for (const stream of streams) {
          expect((await stream.next()).value).toMatchObject({ kind: 'STATUS', storage: { id: storage.id } })
        }
      })
      for (const stream of streams) await stream.return(undefined)
      // The storage that is shown, and what the subscribers may see; the rest goes by the clock.
      return statements.filter((text) => text.includes('from "storage"') || text.includes("|| ' ' || id as key")).length
    }
    const one = await readsOfAnEvent(1)
    expect(one).toBeGreaterThan(0)
    // One more or two for those who were not waiting yet.
    expect(await readsOfAnEvent(30)).toBeLessThanOrEqual(one + 2)
  })
})

describe('a subscription that was opened and closed', () => {
  it.each(transports)('over %s leaves no listener', async (transport) => {
    const storage = await world.storage({ objects: {} })
    const streams = Array.from({ length: 5 }, () => storageEvents(world.app, transport, { storageId: storage.id }))
    for (const stream of streams) await stream.next()
    expect(world.app.events.size).toBe(own + 5)
    for (const stream of streams) await stream.return(undefined)
    await gone()
  })

  it.each(transports)('over %s before its first message leaves no listener', async (transport) => {
    const storage = await world.storage({ objects: {} })
    for (let n = 0; n < 5; n++) {
      const stream = subscribe(world.app, transport, query, { id: storage.id })
      const first = stream.next()
      await stream.return(undefined)
      await first
    }
    await gone()
  })

  it('leaves no listener when its socket is cut', async () => {
    const storage = await world.storage({ objects: {} })
    const { socket, ready, request } = await openSocket(world.app.url, { authorization: `Bearer ${world.app.token}` })
    await ready()
    expect(await request(query, { id: storage.id })).toMatchObject({ type: 'next' })
    expect(world.app.events.size).toBe(own + 1)
    socket.terminate()
    await gone()
  })

  it('leaves nothing in the process after hundreds of subscriptions over sockets that were closed or cut', async () => {
    const storage = await world.storage({ objects: {} })
    const resources = () => {
      const names = process.getActiveResourcesInfo()
      return names.filter((name) => name === 'Timeout' || name === 'TCPSocketWrap').length
    }
    const before = resources()
    const open = async () => {
      const one = await openSocket(world.app.url, { authorization: `Bearer ${world.app.token}` })
      await one.ready()
      for (let n = 0; n < 3; n++) {
        expect((await one.request(query, { id: storage.id })).type).toBe('next')
      }
      return one
    }
    const sockets = await Promise.all(Array.from({ length: 100 }, open))
    expect(world.app.events.size).toBe(own + 300)
    for (const [n, { socket }] of sockets.entries()) {
      if (n % 2 === 0) socket.close()
      else socket.terminate()
    }
    await gone()
    await until(() => resources() <= before)
  })

  it('leaves no listener when its SSE request is aborted', async () => {
    const storage = await world.storage({ objects: {} })
    const leaving = new AbortController()
    const answer = await fetch(`${world.app.url}/graphql`, {
      method: 'POST',
      headers: {
        accept: 'text/event-stream',
        'content-type': 'application/json',
        authorization: `Bearer ${world.app.token}`,
      },
      body: JSON.stringify({ query, variables: { id: storage.id } }),
      signal: leaving.signal,
    })
    const reader = answer.body!.getReader()
    for (let text = ''; !text.includes('storageChanged'); ) {
      text += Buffer.from((await reader.read()).value ?? []).toString()
    }
    expect(world.app.events.size).toBe(own + 1)
    leaving.abort()
    await gone()
  })

  it('leaves no listener when it is closed during a sync, which continues', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const closing = storageEvents(world.app, 'WebSocket', { storageId: storage.id })
    await closing.next()
    const staying = storageEvents(world.app, 'SSE', { storageId: storage.id })
    await staying.next()
    await startSync(world.app, storage.id)
    await held.met
    await closing.return(undefined)
    held.release()
    expect(statusesOf(await untilEnded(staying))).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
    await gone()
  })
})
