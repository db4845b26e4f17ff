import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { startTestApp } from '@sluice/testkit/app.ts'
import { createTarget, exportEnd, startExport } from '@sluice/testkit/exports.ts'
import { createProject, finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { storageKinds } from '@sluice/testkit/storage-kinds.ts'
import { afterEach, describe, expect, it } from 'vitest'
import {
  connectTasks,
  start,
  stateOf,
  stopAll,
  stopLater,
  syncIntoOutage,
  taskFiles,
  waitingFields,
  waits,
} from './outage-place.ts'

afterEach(stopAll)

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
    stopLater(() => other.stop())
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
    stopLater(() => api.stop())
    const served = await storageKinds.S3(api.localRoot)
    stopLater(() => served.stop())
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
    stopLater(() => second.stop())
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
