import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { startTestApp } from '@sluice/testkit/app.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { createTarget, exportEnd, startExport } from '@sluice/testkit/exports.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { createProject, createStorage, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { networkKinds, storageKinds } from '@sluice/testkit/storage-kinds.ts'
import type { Tap } from '@sluice/testkit/tap.ts'
import { startWorld } from '@sluice/testkit/world.ts'
import { afterEach, describe, expect, it } from 'vitest'
import type { ProviderName } from '../../src/providers/registry.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function start(kind: ProviderName, env: Record<string, string> = {}) {
  const world = await startKindWorld(kind, { READ_CONCURRENCY: '2', ...env })
  stops.push(() => world.stop())
  return { ...world, tap: world.tap! }
}

const taskFiles = 24
const body = (n: number) => JSON.stringify({ n, pad: 'x'.repeat(20_000) })

/** A storage of task files. */
async function connectTasks({ app, location, put }: Pick<KindWorld, 'app' | 'location' | 'put'>, count = taskFiles) {
  for (let n = 0; n < count; n++) await put(`in/${String(n).padStart(3, '0')}.json`, body(n))
  const project = await createProject(app)
  const { storage } = await createStorage(app, {
    projectId: project,
    location,
    skipCheck: true,
    importMethod: 'TASKS',
    regexFilter: '.*json',
  })
  return { ...storage, project } as { id: string; databaseId: number; project: string }
}

/** Syncs, and takes the storage away once some of the files are read. */
async function syncIntoOutage({ app, tap }: { app: KindWorld['app']; tap: Tap }, storageId: string) {
  // More than a listing has.
  const { held } = tap.holdAfter(70_000)
  const run = await startSync(app, storageId)
  await held
  tap.shut()
  return run
}

const waitingFields = 'status waiting { since code nextRetryAt givesUpAt }'

async function stateOf(client: GraphqlClient, id: string) {
  const { node } = await client.request(
    `query ($id: ID!) { node(id: $id) { ... on SyncRun { attempt ${waitingFields} } } }`,
    { id },
  )
  return node
}

const waits = (client: GraphqlClient, run: string) =>
  until(async () => (await stateOf(client, run)).waiting, { what: 'the run to wait for its storage' })

describe.each(networkKinds)('a storage that is unavailable for a while (%s)', (kind) => {
  it('makes an import wait, and no object fails', async () => {
    const world = await start(kind)
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    await waits(world.app, run)
    await world.tap.reopen()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { matched: taskFiles, created: taskFiles, failed: 0 },
      issues: [],
    })
  })

  it('makes an import wait in the middle of a large object, and every row is imported once', async () => {
    const world = await start(kind)
    const rows = Array.from({ length: 3_000 }, (_, n) => JSON.stringify({ n, pad: 'x'.repeat(1_000) }))
    await world.put('in/large.jsonl', rows.join('\n'))
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{ projectId: project, location: world.location, skipCheck: true, importMethod: 'TASKS' },
      regexFilter: '.*jsonl',
    })
    const { held } = world.tap.holdAfter(1_000_000)
    const run = await startSync(world.app, storage.id)
    await held
    world.tap.shut()
    await waits(world.app, run)
    await world.tap.reopen()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      counters: { created: rows.length, failed: 0 },
    })
    const [{ numbers }] = await query(
      world.app.databaseUrl,
      `select count(distinct t.data->>'n')::int as numbers from task t join import_link l on l.task_id = t.id
       where l.storage_id = $1`,
      [storage.databaseId],
    )
    expect(numbers).toBe(rows.length)
  })

  it('makes an export wait, and no annotation fails', async () => {
    const world = await start(kind, { WRITE_CONCURRENCY: '2' })
    const project = await createProject(world.app)
    const count = 120
    await annotate(
      world.app,
      await createTasks(
        world.app,
        project,
        Array.from({ length: count }, (_, n) => ({ n })),
      ),
    )
    const { storage } = await createTarget(world.app, {
      ...{ projectId: project, location: world.location, skipCheck: true, allowOverlap: true },
    })
    const { held } = world.tap.holdAfter(kind === 'REDIS' ? 400 : 4_000)
    const run = await startExport(world.app, { storageId: storage.id })
    await held
    world.tap.shut()
    await waits(world.app, run)
    await world.tap.reopen()
    expect(await exportEnd(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { selected: count, exported: count, failed: 0 },
      issues: [],
    })
  })
})

describe('a run that waits for its storage', () => {
  it('stays IN_PROGRESS, sends since when, why and until when it waits, and then that it continues', async () => {
    const world = await start('S3')
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    const states: { status: string; waiting: Record<string, string> | null }[] = []
    const reopened = Promise.withResolvers<void>()
    for await (const { syncRunChanged: state } of world.app.subscribe(
      `subscription ($id: ID!) { syncRunChanged(runId: $id) { ${waitingFields} } }`,
      { id: run },
    )) {
      states.push(state)
      if (state.waiting && states.filter(({ waiting }) => waiting).length === 2) {
        await world.tap.reopen()
        reopened.resolve()
      }
    }
    await reopened.promise
    const told = states.filter(({ waiting }) => waiting)
    expect(told.every(({ status }) => status === 'IN_PROGRESS')).toBe(true)
    for (const { waiting } of told) {
      const { since, code, nextRetryAt, givesUpAt } = waiting!
      expect(['CONNECTION_REFUSED', 'UNREACHABLE']).toContain(code)
      expect(Date.parse(since!)).toBeLessThanOrEqual(Date.parse(nextRetryAt!))
      expect(Math.round((Date.parse(givesUpAt!) - Date.parse(since!)) / 1_000)).toBe(300)
    }
    expect(states.at(-1)).toEqual({ status: 'COMPLETED', waiting: null })
  })

  it('retries at once when another process receives syncStorage', async () => {
    const world = await start('S3')
    const other = await startTestApp({ SLUICE_ROLES: 'api' }, { url: world.app.databaseUrl })
    stops.push(() => other.stop())
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    // Until the next retry is so far away that the run cannot have come to it by itself.
    await until(
      async () => {
        const { waiting } = await stateOf(other, run)
        return waiting && Date.parse(waiting.nextRetryAt) - Date.now() > 2_500
      },
      { what: 'a retry that is seconds away' },
    )
    const { nextRetryAt } = (await stateOf(other, run)).waiting
    await world.tap.reopen()
    expect(await startSync(other, storage.id)).toBe(run)
    await until(async () => (await stateOf(other, run)).waiting === null, { what: 'the run to go on' })
    expect(Date.now()).toBeLessThan(Date.parse(nextRetryAt))
    expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED', counters: { failed: 0 } })
  })

  it('ends FAILED after STORAGE_PATIENCE in its first attempt, no object counts as failed, and the next sync reads the rest', async () => {
    const world = await start('S3', { STORAGE_PATIENCE: '1' })
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    const ended = await finished(world.app, run)
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 1, counters: { failed: 0 }, issues: [] })
    expect(ended.failure).toContain('The run has retried for 1 s (STORAGE_PATIENCE).')
    expect(await stateOf(world.app, run)).toMatchObject({ waiting: null })
    await world.tap.reopen()
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED', counters: { failed: 0 } })
    const [{ count }] = await query(
      world.app.databaseUrl,
      'select count(*)::int from import_link where storage_id = $1',
      [storage.databaseId],
    )
    expect(count).toBe(taskFiles)
  })

  it('ends FAILED when an export has waited for STORAGE_PATIENCE, counts what was written, and nothing as failed', async () => {
    const world = await start('S3', { WRITE_CONCURRENCY: '2', STORAGE_PATIENCE: '1' })
    const project = await createProject(world.app)
    await annotate(
      world.app,
      await createTasks(
        world.app,
        project,
        Array.from({ length: 60 }, (_, n) => ({ n })),
      ),
    )
    const { storage } = await createTarget(world.app, {
      ...{ projectId: project, location: world.location, skipCheck: true, allowOverlap: true },
    })
    const { held } = world.tap.holdAfter(4_000)
    const run = await startExport(world.app, { storageId: storage.id })
    await held
    world.tap.shut()
    const ended = await exportEnd(world.app, run)
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 1, counters: { failed: 0 }, issues: [] })
    expect(ended.counters.exported).toBeGreaterThan(0)
    await world.tap.reopen()
  })

  it('is CANCELED at once', async () => {
    const world = await start('S3')
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    await waits(world.app, run)
    await world.app.request('mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }', { id: run })
    expect(await finished(world.app, run)).toMatchObject({ status: 'CANCELED', counters: { failed: 0 } })
    await world.tap.reopen()
  })

  it('does not delay the stop of its server, and continues to wait in the next one', async () => {
    const api = await startTestApp({ SLUICE_ROLES: 'api' })
    stops.push(() => api.stop())
    const served = await storageKinds.S3(api.localRoot)
    stops.push(() => served.stop())
    const world = { ...served, app: api, tap: served.tap! }
    const newWorker = () => startTestApp({ SLUICE_ROLES: 'worker', READ_CONCURRENCY: '2' }, { url: api.databaseUrl })
    const first = await newWorker()
    const storage = await connectTasks(world)
    const run = await syncIntoOutage(world, storage.id)
    const { since } = await waits(api, run)
    const begun = performance.now()
    await first.stop()
    expect(performance.now() - begun).toBeLessThan(10_000)
    const second = await newWorker()
    stops.push(() => second.stop())
    const laterThan = Date.now()
    const waiting = await until(
      async () => {
        const state = await stateOf(api, run)
        return state.attempt === 2 && Date.parse(state.waiting?.nextRetryAt ?? 0) > laterThan && state.waiting
      },
      { what: 'the run to wait in the second server' },
    )
    // The patience does not begin anew.
    expect(Math.abs(Date.parse(waiting.since) - Date.parse(since))).toBeLessThan(2_000)
    await served.tap!.reopen()
    expect(await finished(api, run)).toMatchObject({ status: 'COMPLETED', counters: { failed: 0 } })
  })
})

describe('an object that always fails with status 500', () => {
  it('becomes an issue, because the storage serves the others', async () => {
    const world = await startWorld()
    stops.push(() => world.stop())
    const objects = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`${n}.json`, `{"n":${n}}`]))
    const storage = await world.storage({ objects, importMethod: 'TASKS' })
    world.front.fail({
      ...{ status: 500, code: 'InternalError', times: Infinity },
      match: ({ operation, key }) => operation === 'GetObject' && key === '7.json',
    })
    expect(await sync(world.app, storage.id)).toMatchObject({
      status: 'COMPLETED_WITH_ERRORS',
      counters: { created: 39, failed: 1 },
      issues: [{ key: '7.json', code: 'UNREACHABLE' }],
    })
  })
})

describe('an import that two processes share', () => {
  it('waits in both, and ends with every task once', async () => {
    const world = await start('S3', { ASSIST_AFTER: '0.2' })
    const count = 6_000
    const put = async (n: number) => world.put(`in/${String(n).padStart(5, '0')}.json`, `{"n":${n}}`)
    for (let n = 0; n < count; n += 100) await Promise.all(Array.from({ length: 100 }, (_, at) => put(n + at)))
    const project = await createProject(world.app)
    const { storage } = await createStorage(world.app, {
      ...{
        projectId: project,
        location: world.location,
        skipCheck: true,
        importMethod: 'TASKS',
        regexFilter: '.*json',
      },
    })
    const other = await startTestApp({ ASSIST_AFTER: '0.2', READ_CONCURRENCY: '2' }, { url: world.app.databaseUrl })
    stops.push(() => other.stop())
    const run = await startSync(world.app, storage.id)
    const holders = async () =>
      (
        await query(
          world.app.databaseUrl,
          'select distinct holder from sync_shard where not done and holder is not null',
        )
      ).length
    await until(async () => (await holders()) === 2, { what: 'a second process that takes a share' })
    world.tap.shut()
    const row = () => query(world.app.databaseUrl, 'select waiting from sync_run order by id desc limit 1')
    await until(async () => Object.keys((await row())[0].waiting ?? {}).length === 2, { what: 'both to wait' })
    await world.tap.reopen()
    expect(await finished(world.app, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 1,
      counters: { matched: count, created: count, failed: 0 },
    })
  })
})
