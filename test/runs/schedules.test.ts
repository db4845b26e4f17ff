import { createDatabase, startTestApp } from '@sluice/testkit/app.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { errorFields } from '@sluice/testkit/errors.ts'
import { target } from '@sluice/testkit/exports.ts'
import { createProject, createStorage, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Queue } from '../../src/queue/agenda.ts'
import { runSchedules } from '../../src/runs/schedule.ts'

const fields = `cron timeZone jitterSeconds exportScope skipUnchanged nextRunAt lastRun { id status }
  failuresInRow pausedAt pauseReason`

async function schedule(client: GraphqlClient, storageId: string, input: Record<string, unknown>) {
  const { scheduleSync } = await client.request(
    `mutation ($input: ScheduleSyncInput!) { scheduleSync(input: $input) {
      ... on ScheduleSyncSuccess { storage { schedule { ${fields} } } } ${errorFields}
      ... on ValidationError { fieldErrors { code path message } } } }`,
    { input: { storageId, ...input } },
  )
  return scheduleSync.storage?.schedule ?? scheduleSync
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
async function scheduleOf(client: GraphqlClient, storageId: string): Promise<{ schedule: any; runs: any[] }> {
  const { storage } = await client.request(
    `query ($id: ID!) { storage(id: $id) { schedule { ${fields} } runs { edges { node { id status } } } } }`,
    { id: storageId },
  )
  return { schedule: storage.schedule, runs: storage.runs.edges.map(({ node }: { node: object }) => node) }
}

/** As if its time had come while nobody was there. */
const makeDue = (url: string, storageId: number, since = '3 days') =>
  query(url, `update sync_schedule set next_run_at = now() - $2::interval where storage_id = $1`, [storageId, since])

const secondsUntil = (time: string) => (Date.parse(time) - Date.now()) / 1_000

describe('a schedule', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ SCHEDULE_MIN_INTERVAL: '1' })
  })
  afterAll(() => world?.stop())

  /** Lets the schedule's time come, and waits until it has been dealt with. */
  async function letItCome(storage: { id: string; databaseId: number }) {
    await makeDue(world.app.databaseUrl, storage.databaseId)
    return until(async () => {
      const state = await scheduleOf(world.app, storage.id)
      return secondsUntil(state.schedule.nextRunAt) > 0 ? state : undefined
    })
  }

  const lastFinished = async (storage: { id: string }) =>
    finished(world.app, (await scheduleOf(world.app, storage.id)).schedule.lastRun.id)

  it('syncs its storage repeatedly, until it is deleted', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    expect(await schedule(world.app, storage.id, { cron: '* * * * * *' })).toMatchObject({
      ...{ cron: '* * * * * *', timeZone: 'UTC', jitterSeconds: 0, failuresInRow: 0, pausedAt: null },
    })
    const done = await until(async () => {
      const { runs } = await scheduleOf(world.app, storage.id)
      return runs.filter(({ status }: { status: string }) => status === 'COMPLETED').length >= 2 ? runs : undefined
    })
    expect(done.length).toBeGreaterThanOrEqual(2)
    const answer = await world.app.request(
      `mutation ($id: ID!) { unscheduleSync(storageId: $id) {
        ... on UnscheduleSyncSuccess { storage { schedule { cron } } } } }`,
      { id: storage.id },
    )
    expect(answer.unscheduleSync).toEqual({ storage: { schedule: null } })
    expect(await query(world.app.databaseUrl, 'select 1 from sync_schedule')).toEqual([])
  })

  it('starts no second sync while one is active', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    await schedule(world.app, storage.id, { cron: '0 3 * * *' })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const byHand = await startSync(world.app, storage.id)
    await held.met
    const { schedule: passed, runs } = await letItCome(storage)
    expect(passed.lastRun).toBeNull()
    expect(runs).toEqual([{ id: byHand, status: 'IN_PROGRESS' }])
    held.release()
    expect(await finished(world.app, byHand)).toMatchObject({ status: 'COMPLETED', attempt: 1 })
  })

  it('pauses after repeated failures, reports the last one, and resumes after a successful sync', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    // Hourly, so that no sync starts by itself while the test runs.
    await schedule(world.app, storage.id, { cron: '0 * * * *' })
    const denied = world.front.fail({
      ...{ status: 403, code: 'AccessDenied', times: Number.POSITIVE_INFINITY },
      match: ({ bucket }) => bucket === storage.bucket,
    })
    const events = world.app.subscribe(
      `subscription ($id: ID!) { storageChanged(storageId: $id) {
        ... on StorageState { storage { status schedule { pausedAt failuresInRow } } } } }`,
      { id: storage.id },
    )
    const told = (async () => {
      for await (const { storageChanged } of events) {
        // The schedule is read when an event is sent, so a late event of the start of the sync may contain the pause already.
        const { storage } = storageChanged
        if (storage?.status === 'FAILED' && storage.schedule.pausedAt) return storage
      }
    })()
    for (let failures = 1; failures <= 3; failures++) {
      await letItCome(storage)
      expect(await lastFinished(storage)).toMatchObject({ status: 'FAILED' })
      expect((await scheduleOf(world.app, storage.id)).schedule.failuresInRow).toBe(failures)
    }
    const { schedule: paused } = await scheduleOf(world.app, storage.id)
    expect(paused.pauseReason).toMatch(/^The last 3 syncs failed, so the schedule retries at 20\d\d-/)
    expect(secondsUntil(paused.nextRunAt)).toBeGreaterThan(3_590)
    expect(await told).toEqual({ status: 'FAILED', schedule: { pausedAt: expect.any(String), failuresInRow: 3 } })

    // Tried again after its pause, and failed again: twice as long.
    await letItCome(storage)
    await lastFinished(storage)
    const { schedule: longer } = await scheduleOf(world.app, storage.id)
    expect(secondsUntil(longer.nextRunAt)).toBeGreaterThan(7_190)
    expect(longer.pausedAt).toBe(paused.pausedAt)

    denied.release()
    expect(await sync(world.app, storage.id)).toMatchObject({ status: 'COMPLETED' })
    const { schedule: goesOn } = await scheduleOf(world.app, storage.id)
    expect(goesOn).toMatchObject({ failuresInRow: 0, pausedAt: null, pauseReason: null })
    expect(secondsUntil(goesOn.nextRunAt)).toBeLessThan(3_601)
  })

  it('takes effect at once when it is changed, and ends its pause', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const nightly = await schedule(world.app, storage.id, {
      cron: '0 3 * * *',
      timeZone: 'Asia/Tokyo',
      jitterSeconds: 600,
    })
    expect(new Date(nightly.nextRunAt).getUTCHours()).toBe(18)
    await query(
      world.app.databaseUrl,
      'update sync_schedule set failures_in_row = 7, paused_at = now() where storage_id = $1',
      [storage.databaseId],
    )
    const often = await schedule(world.app, storage.id, { cron: '* * * * *' })
    expect(secondsUntil(often.nextRunAt)).toBeLessThan(61)
    expect(often).toMatchObject({ timeZone: 'UTC', jitterSeconds: 0, failuresInRow: 0, pausedAt: null })
  })

  it('exports with its scope', async () => {
    const storage = await target(world)
    const input = { cron: '0 3 * * *', exportScope: 'NEW', skipUnchanged: true }
    expect(await schedule(world.app, storage.id, input)).toMatchObject({ exportScope: 'NEW', skipUnchanged: true })
    await letItCome(storage)
    expect(await lastFinished(storage)).toMatchObject({ status: 'COMPLETED' })
    expect(
      await query(world.app.databaseUrl, 'select export_scope, skip_unchanged from sync_run where storage_id = $1', [
        storage.databaseId,
      ]),
    ).toEqual([{ export_scope: 'NEW', skip_unchanged: true }])
  })

  it('is deleted with its storage', async () => {
    const storage = await world.storage({ objects: {} })
    await schedule(world.app, storage.id, { cron: '0 3 * * *' })
    await world.app.request('mutation ($id: ID!) { deleteStorage(id: $id) { __typename } }', { id: storage.id })
    expect(
      await query(world.app.databaseUrl, 'select 1 from sync_schedule where storage_id = $1', [storage.databaseId]),
    ).toEqual([])
  })

  it('that is invalid is refused with a code, and the old one stays', async () => {
    const storage = await world.storage({ objects: {} })
    await schedule(world.app, storage.id, { cron: '0 3 * * *' })
    const faultOf = async (input: object) => {
      const answer = await schedule(world.app, storage.id, { cron: '0 4 * * *', ...input })
      return [answer.code, ...answer.fieldErrors.map(({ code, path }: Record<string, string>) => [code, path])]
    }
    expect(await faultOf({ cron: 'nightly' })).toEqual(['VALIDATION', ['BAD_CRON', 'input.cron']])
    expect(await faultOf({ timeZone: 'Mars/Olympus' })).toEqual(['VALIDATION', ['UNKNOWN_TIME_ZONE', 'input.timeZone']])
    expect(await faultOf({ jitterSeconds: 86_400 })).toEqual(['VALIDATION', ['VALIDATION', 'input.jitterSeconds']])
    expect(await faultOf({ exportScope: 'NEW' })).toEqual(['VALIDATION', ['VALIDATION', 'input.exportScope']])
    expect((await scheduleOf(world.app, storage.id)).schedule.cron).toBe('0 3 * * *')
    const unknown = Buffer.from('ImportStorage:999999').toString('base64')
    expect(await schedule(world.app, unknown, { cron: '0 3 * * *' })).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('the schedules of a server', () => {
  it('remain while it is down, and one sync starts for all missed times', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const first = await startTestApp({}, database)
    const { storage } = await createStorage(first, {
      projectId: await createProject(first),
      location: { localFiles: { path: 'files' } },
      skipCheck: true,
    })
    expect(await schedule(first, storage.id, { cron: '*/10 * * * * *' })).toMatchObject({
      fieldErrors: [{ code: 'TOO_FREQUENT', path: 'input.cron' }],
    })
    await schedule(first, storage.id, { cron: '0 * * * *' })
    await first.stop()
    await makeDue(database.url, storage.databaseId)

    const second = await startTestApp({}, database)
    onTestFinished(() => second.stop())
    const { schedule: after, runs } = await until(async () => {
      const state = await scheduleOf(second, storage.id)
      return state.runs.length > 0 ? state : undefined
    })
    expect(runs).toHaveLength(1)
    expect(secondsUntil(after.nextRunAt)).toBeLessThanOrEqual(3_600)
    expect(secondsUntil(after.nextRunAt)).toBeGreaterThan(0)
  })

  it('start one sync per time with many concurrent schedulers, even if a sync ends quickly', async () => {
    const app = await startTestApp({ SLUICE_ROLES: 'api' })
    onTestFinished(() => app.stop())
    const projectId = await createProject(app)
    for (let n = 0; n < 20; n++) {
      const location = { localFiles: { path: `folder-${n}` } }
      const { storage } = await createStorage(app, { projectId, location, skipCheck: true })
      await schedule(app, storage.id, { cron: '0 3 * * *' })
    }
    await query(app.databaseUrl, `update sync_schedule set next_run_at = now() - interval '1 minute'`)
    const queue: Queue = {
      ...app.queue,
      // Done before the next scheduler comes to it, so that no sync under way keeps that one off.
      async enqueue(_kind, payload) {
        const { runId } = payload as { runId: number }
        const done = `update sync_run set status = 'COMPLETED', finished_at = now() where id = $1`
        await query(app.databaseUrl, done, [runId])
        return 'done'
      },
    }
    await Promise.all(Array.from({ length: 8 }, () => runSchedules({ em: app.orm.em.fork(), queue })))
    const runs = await query(app.databaseUrl, 'select count(*)::int as runs from sync_run group by storage_id')
    expect(runs).toEqual(Array.from({ length: 20 }, () => ({ runs: 1 })))
  })
})
