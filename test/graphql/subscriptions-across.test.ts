import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createProject, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { type SeenEvent, statusesOf, storageEvents, transports, untilEnded } from '@sluice/testkit/subscribe.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('a subscription on one of two servers', () => {
  let world: World
  let other: TestApp
  beforeAll(async () => {
    world = await startWorld()
    other = await startTestApp({}, { url: world.app.databaseUrl })
  })
  afterAll(async () => {
    await other?.stop()
    await world?.stop()
  })
  const sql = (text: string, params: unknown[] = []) => query(world.app.databaseUrl, text, params)
  const nextOf = async (stream: AsyncGenerator<SeenEvent>) => (await stream.next()).value as SeenEvent

  it.each(transports)('receives all events over %s, whichever server runs the sync', async (transport) => {
    const storage = await world.storage({ objects: { a: '', b: '' } })
    const streams = [world.app, other].map((app) => storageEvents(app, transport, { storageId: storage.id }))
    for (const stream of streams) expect(await nextOf(stream)).toMatchObject({ kind: 'SNAPSHOT' })
    await startSync(other, storage.id)
    const [here, there] = await Promise.all(streams.map(untilEnded))
    expect(statusesOf(here!)).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
    expect(statusesOf(there!)).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
    expect(here!.at(-1)).toEqual(there!.at(-1))
  })

  it.each(transports)(
    'continues after a cursor of the other server over %s without loss or repetition',
    async (transport) => {
      const storage = await world.storage({ objects: { a: '', b: '' } })
      const first = storageEvents(world.app, transport, { storageId: storage.id })
      const present = await nextOf(first)
      await startSync(world.app, storage.id)
      const before = [await nextOf(first)]
      await first.return(undefined)

      const after = before.at(-1)!.cursor
      const behind = await untilEnded(storageEvents(other, transport, { storageId: storage.id, after }))
      const log = await sql('select id::text from event where storage = $1 and id > $2 order by event.id', [
        storage.databaseId,
        present.cursor,
      ])
      expect([...before, ...behind].map(({ cursor }) => cursor)).toEqual(log.map(({ id }) => id))
      expect(statusesOf([...before, ...behind])).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])

      // And from the old log straight on to what happens now.
      const live = storageEvents(other, transport, { storageId: storage.id, after: behind.at(-1)!.cursor })
      const going = untilEnded(live)
      await startSync(world.app, storage.id)
      expect(statusesOf(await going)).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
    },
  )

  it('receives LAGGED when its cursor is older than the log', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    await sync(world.app, storage.id)
    await sync(world.app, storage.id)
    await sql('delete from event where id < (select max(id) from event)')
    const stream = storageEvents(other, 'WebSocket', { storageId: storage.id, after: '1' })
    expect(await nextOf(stream)).toMatchObject({ type: 'Lagged', cursor: '1' })
    expect(await nextOf(stream)).toMatchObject({ kind: 'SNAPSHOT', run: { status: 'COMPLETED' } })
    await stream.return(undefined)
  })

  it.each(transports)(
    'receives the whole snapshot again after its connection was cut during it, over %s',
    async (transport) => {
      const project = await createProject(world.app)
      const storages = [await world.storage({ project, objects: {} }), await world.storage({ project, objects: {} })]
      const cut = storageEvents(world.app, transport, { projectId: project })
      const { cursor } = await nextOf(cut)
      await cut.return(undefined)
      const again = storageEvents(other, transport, { projectId: project, after: cursor })
      const present = [await nextOf(again), await nextOf(again)]
      expect(present.map(({ kind, storage }) => [kind, storage?.id])).toEqual(
        storages.map(({ id }) => ['SNAPSHOT', id]),
      )
      expect(Number(present[1]!.cursor)).toBeGreaterThanOrEqual(0)
      await again.return(undefined)
    },
  )

  it('loses nothing when its server loses the connection to the database', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const stream = storageEvents(world.app, 'WebSocket', { storageId: storage.id })
    await stream.next()
    const cut = await sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and application_name = 'sluice listener'`,
    )
    expect(cut).toHaveLength(2)
    await startSync(world.app, storage.id)
    expect(statusesOf(await untilEnded(stream))).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
  })
})
