import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { drained, objectsOf, pending, target } from '@sluice/testkit/exports.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const refused = {
  code: 'STORAGE_PAUSED',
  message: 'The storage is paused, so no sync or export of it can start. Set its synchronizable to true to resume it.',
}

type Client = Pick<World['app'], 'request'>

async function setSynchronizable(client: Client, { id, type }: { id: string; type: 'Import' | 'Export' }, to: boolean) {
  const { answer } = await client.request(
    `mutation ($input: Update${type}StorageInput!) { answer: update${type}Storage(input: $input) {
      ... on Update${type}StorageSuccess { storage { synchronizable } } ... on Error { code message } } }`,
    { input: { id, synchronizable: to } },
  )
  expect(answer).toEqual({ storage: { synchronizable: to } })
}

const syncing = async (client: Client, storageId: string, options: object = {}) =>
  (
    await client.request(
      `mutation ($input: SyncStorageInput!) { syncStorage(input: $input) {
        ... on SyncStorageSuccess { run { id } } ... on ConflictError { code message } } }`,
      { input: { storageId, ...options } },
    )
  ).syncStorage

describe.each(['S3', 'REDIS', 'LOCAL_FILES'] as const)('a paused import storage (%s)', (kind) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(kind)
    await world.put('in/a.jpg', 'bytes')
  })
  afterAll(() => world?.stop())

  it('refuses syncs and dry runs with STORAGE_PAUSED, serves its objects, and syncs again once it is resumed', async () => {
    const { app, storageId: id } = world
    await setSynchronizable(app, { id, type: 'Import' }, false)
    expect(await syncing(app, id)).toEqual(refused)
    expect(await syncing(app, id, { dryRun: true })).toEqual(refused)
    const link = await world.get('in/a.jpg')
    expect([link.status, await link.text()]).toEqual([200, 'bytes'])
    const { storage } = await app.request('query ($id: ID!) { storage(id: $id) { status synchronizable } }', { id })
    expect(storage).toEqual({ status: 'INITIALIZED', synchronizable: false })

    await setSynchronizable(app, { id, type: 'Import' }, true)
    // The world has an object of its own.
    expect(await sync(app, id)).toMatchObject({ status: 'COMPLETED', counters: { created: 2 } })
  })
})

describe('a paused storage', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ SCHEDULE_MIN_INTERVAL: '1' })
  })
  afterAll(() => world?.stop())

  it('refuses retries of failed objects', async () => {
    const { app } = world
    const { id } = await world.storage({ objects: { 'a.json': '{' }, importMethod: 'TASKS' })
    const run = await sync(app, id)
    expect(run.counters.failed).toBe(1)
    await setSynchronizable(app, { id, type: 'Import' }, false)
    const { retryFailed } = await app.request(
      'mutation ($id: ID!) { retryFailed(runId: $id) { ... on ConflictError { code message } } }',
      { id: run.id },
    )
    expect(retryFailed).toEqual(refused)
  })

  it('completes the sync that was running when it was paused', async () => {
    const { app, front } = world
    const { id, bucket } = await world.storage({ objects: { a: '' } })
    const held = front.fail({ hold: true, match: (request) => request.bucket === bucket })
    const run = await startSync(app, id)
    await held.met
    await setSynchronizable(app, { id, type: 'Import' }, false)
    expect(await syncing(app, id)).toEqual(refused)
    held.release()
    expect(await finished(app, run)).toMatchObject({ status: 'COMPLETED', counters: { created: 1 } })
  })

  it('can be paused while its bucket does not respond, and needs a check to be resumed', async () => {
    const { app, front } = world
    const { id, bucket } = await world.storage({ objects: {} })
    const down = front.fail({ status: 403, code: 'AccessDenied', match: (one) => one.bucket === bucket, times: 1e9 })
    await setSynchronizable(app, { id, type: 'Import' }, false)
    const { updateImportStorage } = await app.request(
      `mutation ($id: ID!) { updateImportStorage(input: { id: $id, synchronizable: true }) { ... on Error { code } } }`,
      { id },
    )
    expect(updateImportStorage).toEqual({ code: 'CHECK_FAILED' })
    down.release()
  })

  it('starts no sync by its schedule, which reports why', async () => {
    const { app } = world
    const { id, databaseId } = await world.storage({ objects: { a: '' } })
    await app.request(
      `mutation ($id: ID!) { scheduleSync(input: { storageId: $id, cron: "0 3 1 1 *" }) { __typename } }`,
      { id },
    )
    await setSynchronizable(app, { id, type: 'Import' }, false)
    const makeDue = () =>
      query(app.databaseUrl, `update sync_schedule set next_run_at = now() - interval '1 h' where storage_id = $1`, [
        databaseId,
      ])
    const passed = () =>
      until(async () => {
        const { storage } = await app.request(
          `query ($id: ID!) { storage(id: $id) { schedule { nextRunAt pauseReason } runs { totalCount } } }`,
          { id },
        )
        return Date.parse(storage.schedule.nextRunAt) > Date.now() ? storage : undefined
      })
    await makeDue()
    expect(await passed()).toMatchObject({ schedule: { pauseReason: refused.message }, runs: { totalCount: 0 } })

    await setSynchronizable(app, { id, type: 'Import' }, true)
    await makeDue()
    expect(await passed()).toMatchObject({ schedule: { pauseReason: null }, runs: { totalCount: 1 } })
  })

  it('receives no annotations; they stay pending and are written once it is resumed', async () => {
    const { app } = world
    const { id, bucket, project } = await target(world)
    await setSynchronizable(app, { id, type: 'Export' }, false)
    const [task] = await createTasks(app, project, [{ n: 1 }])
    const [annotation] = await annotate(app, [task!])
    expect(await syncing(app, id)).toEqual(refused)
    const { exportAnnotations } = await app.request(
      `mutation ($input: ExportAnnotationsInput!) { exportAnnotations(input: $input) { ... on ConflictError { code message } } }`,
      { input: { storageId: id, annotationIds: [annotation!.id] } },
    )
    expect(exportAnnotations).toEqual(refused)

    // Another storage of the project receives the annotation, so this one had its turn.
    const other = await target(world, { project })
    await annotate(app, [task!])
    await drained(app, other.id)
    expect((await pending(app, id)).count).toBe(2)
    expect(await objectsOf(world, bucket)).toEqual({})

    await setSynchronizable(app, { id, type: 'Export' }, true)
    await drained(app, id)
    expect(Object.keys(await objectsOf(world, bucket))).toHaveLength(2)
  })
})
