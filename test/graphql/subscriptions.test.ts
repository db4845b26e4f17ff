import { createProject, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import {
  type SeenEvent,
  statusesOf,
  storageEvents,
  subscribe,
  transports,
  untilEnded,
} from '@sluice/testkit/subscribe.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const nextOf = async (stream: AsyncGenerator<SeenEvent>) => (await stream.next()).value as SeenEvent

describe.each(transports)('a subscription over %s', (transport) => {
  it('receives a snapshot first, then every status once and in order, and the final counters last', async () => {
    const storage = await world.storage({ objects: { a: '', b: '', c: '' } })
    const stream = storageEvents(world.app, transport, { storageId: storage.id })
    expect(await nextOf(stream)).toMatchObject({
      type: 'StorageState',
      kind: 'SNAPSHOT',
      storage: { id: storage.id, status: 'INITIALIZED' },
      run: null,
    })
    await startSync(world.app, storage.id)
    const events = await untilEnded(stream)
    expect(statusesOf(events)).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
    expect(events.at(-1)).toMatchObject({
      kind: 'STATUS',
      storage: { status: 'COMPLETED', lastSyncCount: 3 },
      run: { status: 'COMPLETED', counters: { listed: 3, created: 3 } },
    })
    const cursors = events.map(({ cursor }) => Number(cursor))
    expect(cursors).toEqual([...new Set(cursors)].sort((a, b) => a - b))
  })

  it('receives a snapshot first, also when it is opened during a sync', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 1_500 })
    const storage = await world.storage({ bucket })
    const held = world.front.fail({
      hold: true,
      match: ({ url }) => url.includes('start-after=') && url.includes(bucket),
    })
    await startSync(world.app, storage.id)
    await held.met
    // The second page is asked for while the first is still at work.
    await until(async () => {
      const [row] = await query(world.app.databaseUrl, 'select listed::int from sync_run where storage_id = $1', [
        storage.databaseId,
      ])
      return row?.listed === 1_000
    })
    const stream = storageEvents(world.app, transport, { storageId: storage.id })
    expect(await nextOf(stream)).toMatchObject({
      kind: 'SNAPSHOT',
      storage: { status: 'IN_PROGRESS' },
      run: { status: 'IN_PROGRESS', counters: { listed: 1_000, created: 1_000 } },
    })
    held.release()
    const events = await untilEnded(stream)
    expect(statusesOf(events)).toEqual(['COMPLETED'])
    expect(events.at(-1)?.run?.counters).toEqual({ listed: 1_500, created: 1_500 })
  })

  it('receives the last state of a sync that has ended', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    await sync(world.app, storage.id)
    const stream = storageEvents(world.app, transport, { storageId: storage.id })
    expect(await nextOf(stream)).toMatchObject({
      kind: 'SNAPSHOT',
      run: { status: 'COMPLETED', counters: { created: 1 } },
    })
    await stream.return(undefined)
  })

  it('to a project receives events of all its storages and of no other', async () => {
    const project = await createProject(world.app)
    const [one, two] = [
      await world.storage({ project, objects: { a: '' } }),
      await world.storage({ project, objects: { b: '' } }),
    ]
    const foreign = await world.storage({ objects: { c: '' } })
    const stream = storageEvents(world.app, transport, { projectId: project })
    const present = [await nextOf(stream), await nextOf(stream)]
    expect(present.map((event) => [event.kind, event.storage?.id])).toEqual([
      ['SNAPSHOT', one.id],
      ['SNAPSHOT', two.id],
    ])
    await sync(world.app, foreign.id)
    await sync(world.app, one.id)
    await startSync(world.app, two.id)
    const seen: SeenEvent[] = []
    for await (const event of stream) {
      seen.push(event)
      if (event.storage?.id === two.id && event.run?.status === 'COMPLETED') break
    }
    for (const { id } of [one, two]) {
      const own = seen.filter((event) => event.storage?.id === id)
      expect(statusesOf(own)).toEqual(['QUEUED', 'IN_PROGRESS', 'COMPLETED'])
    }
    expect(seen.some((event) => event.storage?.id === foreign.id)).toBe(false)
  })

  it('to a run ends after the final state', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const run = await startSync(world.app, storage.id)
    await held.met
    const states: string[] = []
    const subscription = 'subscription ($id: ID!) { syncRunChanged(runId: $id) { status counters { created } } }'
    for await (const { syncRunChanged } of subscribe(world.app, transport, subscription, { id: run })) {
      if (states.length === 0) held.release()
      states.push(syncRunChanged.status)
    }
    expect([states[0], states.at(-1)]).toEqual(['IN_PROGRESS', 'COMPLETED'])
    const after: unknown[] = []
    for await (const { syncRunChanged } of subscribe(world.app, transport, subscription, { id: run }))
      after.push(syncRunChanged)
    expect(after).toEqual([{ status: 'COMPLETED', counters: { created: 1 } }])
  })

  it.for([
    { what: 'an unknown storage', args: '(storageId: "SW1wb3J0U3RvcmFnZTo5OTk5OTk=")', code: 'NOT_FOUND' },
    { what: 'an unknown project', args: '(projectId: "UHJvamVjdDo5OTk5OTk=")', code: 'NOT_FOUND' },
    { what: 'an id that is none', args: '(storageId: "nonsense")', code: 'NOT_FOUND' },
    { what: 'neither storage nor project', args: '', code: 'VALIDATION' },
    { what: 'both storage and project', args: '(storageId: "a", projectId: "b")', code: 'VALIDATION' },
    { what: 'a cursor that is none', args: '(projectId: "UHJvamVjdDox", after: "x")', code: 'VALIDATION' },
    { what: 'a cursor of the future', args: '(projectId: "UHJvamVjdDox", after: "999999")', code: 'VALIDATION' },
  ])('to $what is answered with $code and leaves no listener', async ({ args, code }) => {
    const stream = subscribe(world.app, transport, `subscription { storageChanged${args} { cursor } }`)
    const fault = await stream.next().then(
      () => undefined,
      (error) => error,
    )
    await stream.return(undefined)
    expect(fault?.errors?.[0]?.extensions).toMatchObject({ code })
    // What the process itself reads.
    expect(world.app.events.size).toBe(2)
  })
})

describe('the progress of a sync of many pages', () => {
  it('is sent at most 4 times a second, and its counters never decrease', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 12_000 })
    const storage = await world.storage({ bucket })
    const stream = storageEvents(world.app, 'WebSocket', { storageId: storage.id })
    await stream.next()
    await startSync(world.app, storage.id)
    const events = await untilEnded(stream)
    const progress = events.filter(({ kind }) => kind === 'PROGRESS')
    expect(progress.length).toBeGreaterThan(0)
    const times = progress.map(({ at }) => Date.parse(at))
    for (const [n, time] of times.entries()) {
      const sameSecond = times.slice(n).filter((other) => other < time + 1_000)
      expect(sameSecond.length).toBeLessThanOrEqual(4)
    }
    const listed = events.map(({ run }) => run?.counters.listed ?? 0)
    expect(listed).toEqual([...listed].sort((a, b) => a - b))
    expect(events.at(-1)?.run?.counters).toEqual({ listed: 12_000, created: 12_000 })
  })
})

describe('a finished run', () => {
  it('is the same in a query as in its last event', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    expect(await finished(world.app, await startSync(world.app, storage.id))).toMatchObject({ status: 'COMPLETED' })
  })
})
