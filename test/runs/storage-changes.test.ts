import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { drained, exportEnd, exportLinks, objectsOf, startExport, target } from '@sluice/testkit/exports.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sameKeys, setLocation, success, update } from './storage-changes-place.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({}, 100)
})
afterAll(() => world?.stop())

const conflict = { __typename: 'ConflictError', code: 'CONFLICT', message: expect.stringContaining('cancelRunning') }

/** How many links of a storage belong to tasks of each bucket. */
async function linksByBucket(storage: number): Promise<Record<string, number>> {
  const rows = await query(
    world.app.databaseUrl,
    `select split_part(t.data ->> 'file', '/', 3) as bucket, count(*)::int from import_link l join task t on t.id = l.task_id
     where l.storage_id = $1 group by 1`,
    [storage],
  )
  return Object.fromEntries(rows.map(({ bucket, count }) => [bucket, count]))
}

/** A storage whose second page of the listing is held, and another bucket with the same keys. */
async function setUp() {
  const storage = await world.storage({ objects: sameKeys() })
  const other = await world.bucket(sameKeys())
  let pages = 0
  const held = world.front.fail({
    hold: true,
    match: ({ bucket, operation }) => bucket === storage.bucket && operation === 'ListObjectsV2' && pages++ > 0,
  })
  const run = await startSync(world.app, storage.id)
  await held.met
  return { ...storage, other, run, held }
}

describe('a change of an import storage during a run', () => {
  it('of its location, a filter or its method is a conflict, and other settings are saved at once', async () => {
    const { id, databaseId, bucket, other, run, held } = await setUp()
    for (const change of [
      { location: world.location(other) },
      { location: world.location(bucket, { prefix: 'f/1' }) },
      { regexFilter: 'f/2' },
      { filters: { include: ['f/1*'] } },
      { filters: { maxObjects: 3 } },
      { rowsPath: 'data' },
      { recursive: false },
      { skipSidecars: false },
      { location: world.location(other), title: 'x', cancelRunning: false },
      { location: world.location(other), cancelRunning: null },
    ]) {
      expect([change, await update(world.app, 'Import', { id, ...change })]).toEqual([change, conflict])
    }
    for (const change of [
      { title: 'New', description: 'x' },
      { location: world.location(bucket), regexFilter: '', filters: null },
      { missingPolicy: 'KEEP', changedPolicy: 'REPORT', presign: false, presignTtlMinutes: 5 },
      { maxRequestsPerSecond: 50 },
      { maxRequestsPerSecond: null },
      { synchronizable: false },
    ]) {
      expect([change, await update(world.app, 'Import', { id, ...change })]).toEqual([change, success('Import')])
    }
    held.release()
    expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED', counters: { created: 250 } })
    expect(await linksByBucket(databaseId)).toEqual({ [bucket]: 250 })
    expect(await update(world.app, 'Import', { id, location: world.location(other) })).toEqual(success('Import'))
  })

  it.each(['DRY_RUN', 'CHOSEN', 'RETRY', 'waiting'])('is a conflict for each kind of run: %s', async (kind) => {
    const storage = await world.storage({ objects: { ...sameKeys(2), bad: 'x' }, importMethod: 'TASKS' })
    const other = await world.bucket()
    const failed = kind === 'RETRY' ? await sync(world.app, storage.id) : undefined
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket, times: 1e9 })
    const mutations: Record<string, [string, Record<string, unknown>]> = {
      DRY_RUN: ['syncStorage(input: { storageId: $id, dryRun: true })', { id: storage.id }],
      CHOSEN: ['importObjects(input: { storageId: $id, keys: ["bad"] })', { id: storage.id }],
      RETRY: ['retryFailed(runId: $id)', { id: failed?.id }],
      waiting: ['syncStorage(input: { storageId: $id })', { id: storage.id }],
    }
    const [field, variables] = mutations[kind]!
    const { run } = await world.app.request(`mutation ($id: ID!) { run: ${field} { __typename } }`, variables)
    expect(run.__typename).toContain('Success')
    if (kind !== 'waiting') await held.met
    expect(await update(world.app, 'Import', { id: storage.id, location: world.location(other) })).toEqual(conflict)
    if (kind !== 'RETRY')
      expect(await update(world.app, 'Import', { id: storage.id, importMethod: 'FILES' })).toEqual(conflict)
    expect(
      await update(world.app, 'Import', { id: storage.id, location: world.location(other), cancelRunning: true }),
    ).toEqual(success('Import'))
    const runs = await query(world.app.databaseUrl, 'select status from sync_run where storage_id = $1 order by id', [
      storage.databaseId,
    ])
    expect(runs.at(-1).status).toBe('CANCELED')
    held.release()
  })

  it('cancels the run first with cancelRunning, and the next sync imports the other bucket', async () => {
    const { id, databaseId, other, run, held } = await setUp()
    const changed = await update(world.app, 'Import', { id, location: world.location(other), cancelRunning: true })
    expect(changed).toEqual(success('Import'))
    expect(await linksByBucket(databaseId)).toEqual({})
    held.release()
    expect(await finished(world.app, run)).toMatchObject({ status: 'CANCELED' })
    expect(await sync(world.app, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 250 } })
    expect(await linksByBucket(databaseId)).toEqual({ [other]: 250 })
  })

  it('cancels nothing with cancelRunning if it is invalid, or concerns neither location, filter nor method', async () => {
    const { id, run, held } = await setUp()
    expect(await update(world.app, 'Import', { id, title: 'x', cancelRunning: true })).toEqual(success('Import'))
    const invalid = await update(world.app, 'Import', { id, filters: { include: ['!a'] }, cancelRunning: true })
    expect(invalid.__typename).toBe('ValidationError')
    held.release()
    expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED' })
  })

  it('cancels a run whose worker has died, without waiting for its lease to expire', async () => {
    const storage = await world.storage({ objects: sameKeys(2) })
    const other = await world.bucket(sameKeys(3))
    await query(
      world.app.databaseUrl,
      `insert into sync_run (storage_id, status, attempt, started_at, heartbeat_at)
       values ($1, 'IN_PROGRESS', 1, now(), now() + interval '1 hour')`,
      [storage.databaseId],
    )
    const input = { id: storage.id, location: world.location(other), cancelRunning: true }
    expect(await update(world.app, 'Import', input)).toEqual(success('Import'))
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { created: 3 } })
  }, 60_000)

  it('by SQL ends the run as FAILED (STORAGE_CHANGED), and no write follows it', async () => {
    const { id, databaseId, bucket, other, run, held } = await setUp()
    await until(async () => (await linksByBucket(databaseId))[bucket])
    await setLocation(world, databaseId, { bucket: other })
    const before = await linksByBucket(databaseId)
    held.release()
    const { status, failure, counters } = await finished(world.app, run)
    expect([status, failure]).toEqual(['FAILED', expect.stringContaining('STORAGE_CHANGED')])
    expect(await linksByBucket(databaseId)).toEqual(before)
    expect(counters.created).toBe(before[bucket])
    expect(await sync(world.app, id)).toMatchObject({ status: 'COMPLETED' })
  })

  it('by SQL before it begins is followed by the run', async () => {
    const storage = await world.storage({ objects: sameKeys(3) })
    const other = await world.bucket(sameKeys(5))
    await query(
      world.app.databaseUrl,
      `with run as (insert into sync_run (storage_id) values ($1) returning id)
       update storage set last_run = run.id from run where storage.id = $1`,
      [storage.databaseId],
    )
    await setLocation(world, storage.databaseId, { bucket: other })
    await until(async () => {
      const [run] = await query(world.app.databaseUrl, 'select status from sync_run where storage_id = $1', [
        storage.databaseId,
      ])
      return run.status === 'COMPLETED'
    })
    expect(await linksByBucket(storage.databaseId)).toEqual({ [other]: 5 })
  })

  it('of the location starts NEW_ONLY again at the first key', async () => {
    const storage = await world.storage({ objects: { 'z/1': 'x' }, syncMode: 'NEW_ONLY' })
    await sync(world.app, storage.id)
    const other = await world.bucket({ 'a/1': 'x' })
    await update(world.app, 'Import', { id: storage.id, location: world.location(other) })
    expect(await sync(world.app, storage.id)).toMatchObject({ counters: { created: 1 } })
  })
})

describe('a change of an export storage', () => {
  /** A target with an export run of which a write is held, and another bucket. */
  async function startRun() {
    const place = await target(world, { autoExport: false })
    const tasks = await createTasks(
      world.app,
      place.project,
      Array.from({ length: 450 }, (_, n) => ({ n })),
    )
    await annotate(world.app, tasks)
    let writes = 0
    const held = world.front.fail({
      hold: true,
      match: ({ bucket, operation }) => bucket === place.bucket && operation === 'PutObject' && writes++ === 250,
    })
    const run = await startExport(world.app, { storageId: place.id })
    await held.met
    return { ...place, run, held, other: await world.bucket() }
  }

  it('is a conflict during a run, or cancels it', async () => {
    const { id, databaseId, bucket, other, run, held } = await startRun()
    const location = world.location(other, { prefix: 'out' })
    for (const change of [
      { location },
      { location: world.location(bucket, { prefix: 'elsewhere' }) },
      { nameTemplate: 'x/{annotationId}.json' },
    ]) {
      expect([change, await update(world.app, 'Export', { id, ...change })]).toEqual([change, conflict])
    }
    expect(await update(world.app, 'Export', { id, canDeleteObjects: true })).toEqual(success('Export'))
    expect(await update(world.app, 'Export', { id, location, cancelRunning: true })).toEqual(success('Export'))
    expect(await exportLinks(world, databaseId)).toEqual({})
    held.release()
    expect(await exportEnd(world.app, run)).toMatchObject({ status: 'CANCELED' })
    const again = await exportEnd(world.app, await startExport(world.app, { storageId: id }))
    expect(again).toMatchObject({ status: 'COMPLETED', counters: { exported: 450 } })
    expect(Object.keys(await objectsOf(world, other))).toHaveLength(450)
  })

  it('by SQL ends the run as FAILED (STORAGE_CHANGED): no link follows it, and nothing is written to the other bucket', async () => {
    const { id, databaseId, other, run, held } = await startRun()
    await setLocation(world, databaseId, { bucket: other })
    const before = await exportLinks(world, databaseId)
    held.release()
    const { status, failure, counters } = await exportEnd(world.app, run)
    expect([status, failure]).toEqual(['FAILED', expect.stringContaining('STORAGE_CHANGED')])
    expect(await exportLinks(world, databaseId)).toEqual(before)
    expect(counters.exported).toBe(Object.keys(before).length)
    expect(await objectsOf(world, other)).toEqual({})
    await until(async () => (await startExport(world.app, { storageId: id }).catch(() => undefined)) !== undefined)
  })

  it('during an automatic export writes the annotations again, to where the storage is then', async () => {
    const { id, databaseId, bucket, project } = await target(world)
    const other = await world.bucket()
    const tasks = await createTasks(world.app, project, [{ n: 1 }, { n: 2 }])
    const held = world.front.fail({ hold: true, match: (request) => request.bucket === bucket })
    await annotate(world.app, tasks)
    await held.met
    await setLocation(world, databaseId, { bucket: other })
    held.release()
    await drained(world.app, id)
    expect(Object.keys(await objectsOf(world, other))).toHaveLength(2)
    expect(Object.keys(await exportLinks(world, databaseId))).toHaveLength(2)
  })
})
