import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { jobsOf } from '@sluice/testkit/jobs.ts'
import { createProject, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** Five times what is promised: 2 s. */
const startLimitMs = 10_000

const slots = 4

describe('slots of workers', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ WORKER_CONCURRENCY: String(slots) })
  })
  afterAll(() => world?.stop())

  const sql = (text: string, params: unknown[] = []) => query(world.app.databaseUrl, text, params)

  /** `count` storages of a new project, each with a sync whose listing never answers, and what ends that. */
  async function hang(count: number, app: TestApp = world.app) {
    const project = await createProject(world.app)
    const bucket = await world.bucket({ a: '' })
    const storages = await Promise.all(
      Array.from({ length: count }, () => world.storage({ bucket, project, allowDuplicate: true })),
    )
    const held = world.front.fail({ hold: true, times: Infinity, match: (request) => request.bucket === bucket })
    const runs = await Promise.all(storages.map((storage) => startSync(app, storage.id)))
    await held.met
    return { storages, runs, release: held.release }
  }

  const counts = async (storages: { databaseId: number }[]) => {
    const [row] = await sql(
      `select count(*) filter (where status = 'IN_PROGRESS')::int as running,
         count(*) filter (where status = 'QUEUED')::int as queued from sync_run where storage_id = any($1)`,
      [storages.map(({ databaseId }) => databaseId)],
    )
    return row as { running: number; queued: number }
  }

  it('one project with 40 hanging syncs takes its share; the sync of another project starts and completes', async () => {
    const hostile = await hang(40)
    await until(async () => (await counts(hostile.storages)).running === slots)
    const other = await world.storage({ objects: { a: '', b: '' } })
    const asked = Date.now()
    expect(await finished(world.app, await startSync(world.app, other.id))).toMatchObject({
      status: 'COMPLETED',
      counters: { created: 2 },
    })
    const [run] = await sql('select started_at from sync_run where storage_id = $1', [other.databaseId])
    expect(Date.parse(run.started_at) - asked).toBeLessThan(startLimitMs)
    expect(await counts(hostile.storages)).toEqual({ running: slots, queued: 40 - slots })
    // What waits for its share has no job that a worker would have to look at.
    expect(await jobsOf(world.app.databaseUrl, 'import-storage')).toHaveLength(slots)
    hostile.release()
    for (const run of hostile.runs) expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED' })
  })

  it('two projects with hanging syncs leave slots for a third, and each gets its share', async () => {
    const first = await hang(6)
    const second = await hang(6)
    await until(async () => (await counts(second.storages)).running === slots / 2)
    const other = await world.storage({ objects: { a: '' } })
    expect(await finished(world.app, await startSync(world.app, other.id))).toMatchObject({ status: 'COMPLETED' })
    expect((await counts(first.storages)).running).toBe(slots)
    expect((await counts(second.storages)).running).toBe(slots / 2)
    for (const { release, runs } of [first, second]) {
      release()
      for (const run of runs) expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED' })
    }
  })

  it('a waiting sync that is canceled never starts, and a canceled running one frees its slot for the next', async () => {
    const hostile = await hang(slots + 2)
    await until(async () => (await counts(hostile.storages)).running === slots)
    const status = async (id: string) => {
      const { node } = await world.app.request('query ($id: ID!) { node(id: $id) { ... on SyncRun { status } } }', {
        id,
      })
      return node.status
    }
    const cancel = (id: string) =>
      world.app.request(
        `mutation ($id: ID!) { cancelSync(runId: $id) { ... on CancelSyncSuccess { run { id } } ... on Error { code } } }`,
        { id },
      )
    const states = await Promise.all(hostile.runs.map(async (id) => ({ id, status: await status(id) })))
    const waiting = states.filter((run) => run.status === 'QUEUED')
    expect(waiting).toHaveLength(2)
    await cancel(waiting[0]!.id)
    expect(await status(waiting[0]!.id)).toBe('CANCELED')
    await cancel(states.find((run) => run.status === 'IN_PROGRESS')!.id)
    await until(async () => (await status(waiting[1]!.id)) === 'IN_PROGRESS')
    hostile.release()
    for (const run of hostile.runs) await finished(world.app, run)
  })

  it('a storage with many runs waits after another storage of its project', async () => {
    const hostile = await hang(slots)
    const [busy] = hostile.storages
    const { syncStorage } = await world.app.request(
      `mutation ($id: ID!) { syncStorage(input: { storageId: $id, dryRun: true }) {
        ... on SyncStorageSuccess { run { id } } ... on Error { code message } } }`,
      { id: busy!.id },
    )
    const late = await world.storage({ objects: { a: '' }, project: busy!.project })
    const lateRun = await startSync(world.app, late.id)
    // The slot that becomes free goes to the storage that has none, though the dry run was first.
    await world.app.request(`mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }`, {
      id: hostile.runs[1],
    })
    expect(await finished(world.app, lateRun)).toMatchObject({ status: 'COMPLETED' })
    hostile.release()
    for (const run of [...hostile.runs, syncStorage.run.id]) await finished(world.app, run)
  })
})

describe('slots of a fleet', () => {
  it('one project uses as many as the workers have together; with one slot each, another project still starts', async () => {
    const world = await startWorld({ WORKER_CONCURRENCY: '1' })
    const second = await startTestApp({ WORKER_CONCURRENCY: '1' }, { url: world.app.databaseUrl })
    try {
      const project = await createProject(world.app)
      const bucket = await world.bucket({ a: '' })
      const storages = await Promise.all(
        Array.from({ length: 5 }, () => world.storage({ bucket, project, allowDuplicate: true })),
      )
      const held = world.front.fail({ hold: true, times: Infinity, match: (request) => request.bucket === bucket })
      const runs = await Promise.all(storages.map(({ id }, n) => startSync(n % 2 ? world.app : second, id)))
      const running = async () => {
        const text = `select count(*)::int as n from sync_run where status = 'IN_PROGRESS' and storage_id = any($1)`
        const [row] = await query(world.app.databaseUrl, text, [storages.map(({ databaseId }) => databaseId)])
        return row.n
      }
      await until(async () => (await running()) === 2)
      const other = await world.storage({ objects: { a: '' } })
      expect(await finished(second, await startSync(second, other.id))).toMatchObject({ status: 'COMPLETED' })
      expect(await running()).toBe(2)
      held.release()
      for (const run of runs) expect(await finished(world.app, run)).toMatchObject({ status: 'COMPLETED' })
    } finally {
      await second.stop()
      await world.stop()
    }
  })

  it('an api process alone gives each project a job; a worker that joins does the rest', async () => {
    const api = await startWorld({ SLUICE_ROLES: 'api' })
    const project = await createProject(api.app)
    const bucket = await api.bucket({ a: '' })
    const storages = await Promise.all(
      Array.from({ length: 3 }, () => api.storage({ bucket, project, allowDuplicate: true })),
    )
    const runs = await Promise.all(storages.map(({ id }) => startSync(api.app, id)))
    expect(await jobsOf(api.app.databaseUrl, 'import-storage')).toHaveLength(1)
    const worker = await startTestApp({ SLUICE_ROLES: 'worker' }, { url: api.app.databaseUrl })
    try {
      for (const run of runs) expect(await finished(api.app, run)).toMatchObject({ status: 'COMPLETED', attempt: 1 })
    } finally {
      await worker.stop()
      await api.stop()
    }
  })
})
