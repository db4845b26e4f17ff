import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { secretKey, type TestApp } from '@sluice/testkit/app.ts'
import { createTarget, drained } from '@sluice/testkit/exports.ts'
import { numberOf } from '@sluice/testkit/ids.ts'
import { type KindWorld, startKindWorld } from '@sluice/testkit/kind-world.ts'
import { type Launched, launch } from '@sluice/testkit/launch.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPacing } from '../../src/pacing/pacing.ts'

const secondsOf = async (work: () => Promise<unknown>) => {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1_000
}

async function update(app: TestApp, id: string, settings: Record<string, unknown>, type = 'Import') {
  const { answer } = await app.request(
    `mutation ($input: Update${type}StorageInput!) { answer: update${type}Storage(input: $input) {
      ... on Update${type}StorageSuccess { storage { maxRequestsPerSecond maxBytesPerSecond } }
      ... on ValidationError { fieldErrors { path message } } } }`,
    { input: { id, skipCheck: true, ...settings } },
  )
  return answer
}

describe.each(['S3', 'GCS', 'AZURE_BLOB', 'REDIS', 'LOCAL_FILES'] as const)('the limits of a storage (%s)', (kind) => {
  let world: KindWorld
  beforeAll(async () => {
    world = await startKindWorld(kind)
  })
  afterAll(() => world?.stop())

  it('hold for proxied reads: 12 requests at 4 a second take 2 to 15 seconds', async () => {
    await world.put('in/a.txt', 'bytes')
    expect(await update(world.app, world.storageId, { maxRequestsPerSecond: 4 })).toMatchObject({
      storage: { maxRequestsPerSecond: 4, maxBytesPerSecond: null },
    })
    const get = async () => expect(await (await world.get('in/a.txt')).text()).toBe('bytes')
    const seconds = await secondsOf(() => Promise.all(Array.from({ length: 12 }, get)))
    expect(seconds).toBeGreaterThan(2)
    expect(seconds).toBeLessThan(15)
  })

  it('hold for syncs: 10 task files at 4 requests a second take 2 to 15 seconds', async () => {
    for (let n = 0; n < 10; n++) await world.put(`in/tasks/${n}.json`, `{"n":${n}}`)
    await update(world.app, world.storageId, {
      ...{ maxRequestsPerSecond: 4, importMethod: 'TASKS', filters: { include: ['**/*.json'] } },
    })
    let run: { status: string; attempt: number; counters: { created: number } } | undefined
    const seconds = await secondsOf(async () => {
      run = await sync(world.app, world.storageId)
    })
    expect(run).toMatchObject({ status: 'COMPLETED', attempt: 1, counters: { created: 10 } })
    expect(seconds).toBeGreaterThan(2)
    expect(seconds).toBeLessThan(15)
  })

  it('hold for bytes: 3 MB at 1 MB a second take 1.8 to 15 seconds', async () => {
    const bytes = Buffer.alloc(3_000_000, 'abc')
    await world.put('in/large.bin', bytes)
    await update(world.app, world.storageId, { maxRequestsPerSecond: null, maxBytesPerSecond: 1_000_000 })
    let read: Buffer | undefined
    const seconds = await secondsOf(async () => {
      read = Buffer.from(await (await world.get('in/large.bin')).arrayBuffer())
    })
    expect(read!.equals(bytes)).toBe(true)
    expect(seconds).toBeGreaterThan(1.8)
    expect(seconds).toBeLessThan(15)
  })

  it('hold for exports: 12 annotations at 4 requests a second take 2 to 15 seconds', async () => {
    const [[input, location]] = Object.entries(world.location) as [[string, Record<string, unknown>]]
    const below = { S3: 'prefix', GCS: 'prefix', AZURE_BLOB: 'prefix', REDIS: 'path', LOCAL_FILES: 'path' }[kind]
    const place = { ...location, [below]: kind === 'LOCAL_FILES' ? 'out' : 'out/', ...(kind === 'REDIS' && { db: 1 }) }
    if (kind === 'LOCAL_FILES') mkdirSync(join(world.app.localRoot, 'out'))
    const { storage, ...error } = await createTarget(world.app, {
      ...{ projectId: world.project, location: { [input]: place }, skipCheck: true, maxRequestsPerSecond: 4 },
    })
    expect(error).toMatchObject({ __typename: 'CreateExportStorageSuccess' })
    const tasks = await createTasks(
      world.app,
      world.project,
      Array.from({ length: 12 }, (_, n) => ({ n })),
    )
    const seconds = await secondsOf(async () => {
      await annotate(world.app, tasks)
      await drained(world.app, storage.id)
    })
    expect(seconds).toBeGreaterThan(2)
    expect(seconds).toBeLessThan(15)
  })
})

describe('limits', () => {
  let world: World
  let second: Launched
  beforeAll(async () => {
    world = await startWorld({ WORKER_CONCURRENCY: '1' })
    const { databaseUrl: DATABASE_URL, dataDir: DATA_DIR } = world.app
    second = launch({
      DATABASE_URL,
      DATA_DIR,
      SECRET_KEY: secretKey,
      WORKER_CONCURRENCY: '1',
      STORAGE_IN_PROGRESS_TIMER: '0.5',
    })
    await second.ready()
  })
  afterAll(async () => {
    await second?.end()
    await world?.stop()
  })

  const files = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}.json`, `{"n":${n}}`]))

  it('hold for all processes together: two runs in two processes send about 20 requests a second, not 40', async () => {
    const { app, front } = world
    const { id } = await world.storage({ objects: files(60), importMethod: 'TASKS', maxRequestsPerSecond: 20 })
    const requests = () => Object.values(front.counts).reduce((sum, count) => sum + count, 0)
    const before = requests()
    const seconds = await secondsOf(async () => {
      const runs = await Promise.all([startDryRun(id), startSync(app, id)])
      for (const run of runs) expect(await finished(app, run)).toMatchObject({ status: 'COMPLETED', attempt: 1 })
    })
    const sent = requests() - before
    // Each process executes one run at a time.
    const together = await query(
      app.databaseUrl,
      `select 1 from sync_run a join sync_run b on a.id < b.id and a.storage_id = b.storage_id
       where a.started_at < b.finished_at and b.started_at < a.finished_at`,
    )
    expect(together).toHaveLength(1)
    expect(sent).toBeGreaterThan(120)
    expect(sent / seconds).toBeLessThan(25)
    expect(sent / seconds).toBeGreaterThan(4)
  })

  async function startDryRun(storageId: string): Promise<string> {
    const { syncStorage } = await world.app.request(
      `mutation ($id: ID!) { syncStorage(input: { storageId: $id, dryRun: true }) { ... on SyncStorageSuccess { run { id } } } }`,
      { id: storageId },
    )
    return syncStorage.run.id
  }

  it('serve a link while a sync waits for the same storage', async () => {
    const { app } = world
    const storage = await world.storage({
      ...{ objects: files(60), importMethod: 'TASKS', maxRequestsPerSecond: 5, presign: false },
    })
    const run = await startSync(app, storage.id)
    await until(
      async () =>
        (await app.request('query ($id: ID!) { storage(id: $id) { status } }', storage)).storage.status ===
        'IN_PROGRESS',
    )
    const number = numberOf(storage.project)
    const uri = Buffer.from(`s3://${storage.bucket}/1.json`).toString('base64url')
    let body: string | undefined
    const seconds = await secondsOf(async () => {
      const response = await fetch(`${app.url}/projects/${number}/resolve/?fileuri=${uri}`, {
        headers: { authorization: `Bearer ${app.token}` },
      })
      body = await response.text()
    })
    expect(body).toBe('{"n":1}')
    expect(seconds).toBeLessThan(5)
    expect(await statusOf(run)).toBe('IN_PROGRESS')
    await update(app, storage.id, { maxRequestsPerSecond: null })
    expect(await finished(app, run)).toMatchObject({ status: 'COMPLETED', attempt: 1, counters: { created: 60 } })
  })

  const statusOf = async (id: string) =>
    (await world.app.request('query ($id: ID!) { node(id: $id) { ... on SyncRun { status } } }', { id })).node.status

  it('hold for checks of a saved storage: 3 checks at 2 requests a second take 1 to 15 seconds', async () => {
    const { app } = world
    const { id } = await world.storage({ objects: files(1), maxRequestsPerSecond: 2, presign: false })
    const seconds = await secondsOf(async () => {
      for (let n = 0; n < 3; n++) {
        const { checkStorage } = await app.request(
          `mutation ($id: ID!) { checkStorage(input: { id: $id }) { ... on CheckStorageSuccess { check { ok } } } }`,
          { id },
        )
        expect(checkStorage).toEqual({ check: { ok: true } })
      }
    })
    expect(seconds).toBeGreaterThan(1)
    expect(seconds).toBeLessThan(15)
  })

  it('allow to cancel a run while it waits', async () => {
    const { app } = world
    const { id } = await world.storage({ objects: files(60), importMethod: 'TASKS', maxRequestsPerSecond: 1 })
    const run = await startSync(app, id)
    await until(async () => (await statusOf(run)) === 'IN_PROGRESS')
    const { cancelSync } = await app.request(
      'mutation ($id: ID!) { cancelSync(runId: $id) { ... on CancelSyncSuccess { run { id } } } }',
      { id: run },
    )
    expect(cancelSync.run.id).toBe(run)
    expect(await finished(app, run)).toMatchObject({ status: 'CANCELED' })
  })

  it('that are set on a used storage take effect within seconds, and cost nothing before', async () => {
    const { app } = world
    const { databaseId } = await world.storage({ objects: {} })
    const pace = createPacing(app.orm.em.fork())({ id: databaseId }, 'RUNS')
    expect(pace.request()).toBeUndefined()
    const budget = () => query(app.databaseUrl, 'select 1 from storage_budget where storage_id = $1', [databaseId])
    expect(await budget()).toEqual([])
    await query(app.databaseUrl, 'update storage set max_requests_per_second = 5 where id = $1', [databaseId])
    await until(async () => pace.request() !== undefined)
    await until(async () => (await budget()).length === 1)
  })

  it.each([
    ['maxRequestsPerSecond', 0, 'must be from 1 to 100000'],
    ['maxRequestsPerSecond', 100_001, 'must be from 1 to 100000'],
    ['maxBytesPerSecond', 999_999, 'must be from 1000000 to 1000000000000'],
  ])('refuse %s: %d', async (path, value, message) => {
    const { id } = await world.storage({ objects: {} })
    expect(await update(world.app, id, { [path]: value })).toEqual({
      fieldErrors: [{ path: `input.${path}`, message }],
    })
  })
})
