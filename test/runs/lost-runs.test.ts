import { jobsOf, withJobs } from '@sluice/testkit/jobs.ts'
import { holdRun, partOf } from '@sluice/testkit/pages.ts'
import { finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ShardChanged } from '../../src/import/shards.ts'
import { writePage } from '../../src/import/write-page.ts'
import { RunLost } from '../../src/runs/lease.ts'

/** The job of an import, as it lies in the queue. */
const waiting = { name: 'import-storage', type: 'normal', priority: 0, data: {} } as const

describe('a run without a worker', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  const sql = (text: string, params: unknown[] = []) => query(world.app.databaseUrl, text, params)

  /** A run in a state that only a fault leads to; its columns as SQL. */
  async function strayRun(storageId: number, columns: Record<string, string>): Promise<{ id: string; run: number }> {
    const all = { storage_id: '$1', queued_at: `now() - interval '1 hour'`, ...columns }
    const [row] = await sql(
      `with stray as (insert into sync_run (${Object.keys(all)}) values (${Object.values(all)}) returning id)
       update storage set last_run = stray.id from stray where storage.id = $1 returning stray.id::int as id`,
      [storageId],
    )
    return { id: Buffer.from(`SyncRun:${row.id}`).toString('base64'), run: row.id }
  }

  const lost = {
    status: `'IN_PROGRESS'`,
    started_at: `now() - interval '1 hour'`,
    heartbeat_at: `now() - interval '1 hour'`,
  }

  it('is continued at its last page: earlier pages are not listed again', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 2_500 })
    const storage = await world.storage({ bucket })
    const before = world.front.counts.ListObjectsV2 ?? 0
    const { id, run } = await strayRun(storage.databaseId, {
      ...lost,
      listed: '1000',
      matched: '1000',
      created: '1000',
    })
    await sql(
      `insert into sync_shard (run_id, number, cursor, last_key, pages, holder, attempt)
       values ($1, 0, '00000999.bin', '00000999.bin', 1, 'gone', 1)`,
      [run],
    )
    expect(await finished(world.app, id)).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      counters: { listed: 2_500, matched: 2_500, created: 2_500 },
    })
    expect(world.front.counts.ListObjectsV2! - before).toBe(2)
    const [tasks] = await sql('select count(*)::int as n, min(key) as first from import_link where storage_id = $1', [
      storage.databaseId,
    ])
    expect(tasks).toEqual({ n: 1_500, first: '00001000.bin' })
  })

  it('fails with a message after its last attempt', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const { id } = await strayRun(storage.databaseId, { ...lost, attempt: '3' })
    const run = await finished(world.app, id)
    expect(run).toMatchObject({ status: 'FAILED', attempt: 3 })
    expect(run.failure).toMatch(/^The worker has given no sign of life for 2\.5 s \(attempt 3 of 3\)\./)
  })

  it('is enqueued if its process died before it enqueued the job', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const { id } = await strayRun(storage.databaseId, {})
    expect(await finished(world.app, id)).toMatchObject({ status: 'COMPLETED', attempt: 1, counters: { created: 1 } })
  })

  it('is enqueued again once if its job has vanished, and fails if that happens again', async () => {
    const [first, second] = await Promise.all([
      world.storage({ objects: { a: '' } }),
      world.storage({ objects: { a: '' } }),
    ])
    const again = await strayRun(first.databaseId, { job_id: `gen_random_uuid()` })
    const last = await strayRun(second.databaseId, { job_id: `gen_random_uuid()`, requeued: 'true' })
    expect(await finished(world.app, again.id)).toMatchObject({ status: 'COMPLETED', attempt: 2 })
    expect(await finished(world.app, last.id)).toMatchObject({
      status: 'FAILED',
      failure: expect.stringMatching(/^The job is gone from the queue/),
    })
  })

  it('is enqueued again once if its job has failed without a report', async () => {
    const [first, second] = await Promise.all([
      world.storage({ objects: { a: '' } }),
      world.storage({ objects: { a: '' } }),
    ])
    const failedJob = () =>
      withJobs(world.app.databaseUrl, async (all) => {
        const job = await all.saveJob({ ...waiting, nextRunAt: null }, undefined)
        await all.saveJobState({ ...job, failedAt: new Date(), failReason: 'Connection terminated' }, undefined)
        return String(job._id)
      })
    const jobs = [await failedJob(), await failedJob()]
    const again = await strayRun(first.databaseId, { job_id: `'${jobs[0]}'` })
    const last = await strayRun(second.databaseId, { job_id: `'${jobs[1]}'`, requeued: 'true' })
    expect(await finished(world.app, again.id)).toMatchObject({ status: 'COMPLETED', attempt: 2 })
    expect(await finished(world.app, last.id)).toMatchObject({
      status: 'FAILED',
      failure: expect.stringMatching(/^The job has failed without a report\.(?!.*Connection)/),
    })
    // What is left of them in the queue goes, too.
    await until(async () => (await jobsOf(world.app.databaseUrl)).every(({ _id }) => !jobs.includes(String(_id))))
  })

  it('stays queued as long as its job waits in the queue', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const { databaseUrl } = world.app
    const later = new Date(Date.now() + 3_600_000)
    const job = await withJobs(databaseUrl, (all) => all.saveJob({ ...waiting, nextRunAt: later }, undefined))
    const { id, run } = await strayRun(storage.databaseId, { job_id: `'${job._id}'` })
    await until(async () => {
      const [row] = await sql(`select heartbeat_at > now() - interval '1 minute' as seen from sync_run where id = $1`, [
        run,
      ])
      return row.seen
    })
    const due = { ...job, nextRunAt: new Date(), data: { runId: run, attempt: 1 } }
    await withJobs(databaseUrl, (all) => all.saveJob(due, undefined))
    expect(await finished(world.app, id)).toMatchObject({ status: 'COMPLETED', attempt: 1 })
  })

  it('counts no attempt that ended because its worker was stopped', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const { id } = await strayRun(storage.databaseId, { ...lost, attempt: '5', excused: '3' })
    expect(await finished(world.app, id)).toMatchObject({ status: 'COMPLETED', attempt: 6 })
  })

  it.each([1, 3])('is CANCELED by the sweep if cancellation was requested, in attempt %i', async (attempt) => {
    const storage = await world.storage({ objects: { a: '' } })
    const { id } = await strayRun(storage.databaseId, { ...lost, attempt: String(attempt), cancel_requested: 'true' })
    expect(await finished(world.app, id)).toMatchObject({ status: 'CANCELED', attempt, counters: { created: 0 } })
  })

  it('is not taken over while its worker sends heartbeats, however slow its storage is', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const id = await startSync(world.app, storage.id)
    await held.met
    // Older than the sweeper's limit, seen from the beats: several sweeps have passed it by.
    const [{ started_at: started }] = await sql('select started_at from sync_run where storage_id = $1', [
      storage.databaseId,
    ])
    await until(async () => {
      const [row] = await sql('select heartbeat_at from sync_run where storage_id = $1', [storage.databaseId])
      return Date.parse(row.heartbeat_at) - Date.parse(started) > 4_000
    })
    held.release()
    expect(await finished(world.app, id)).toMatchObject({ status: 'COMPLETED', attempt: 1 })
  })

  it('refuses writes of the worker that lost it', async () => {
    const storage = await world.storage({ objects: {}, importMethod: 'TASKS' })
    const { run } = await strayRun(storage.databaseId, {
      ...lost,
      heartbeat_at: `now() + interval '1 hour'`,
      attempt: '2',
    })
    const [row] = await sql('select project_id::int as project from storage where id = $1', [storage.databaseId])
    const target = await holdRun(world.app.databaseUrl, run, 2)
    const page = partOf(['a'], {
      issues: [{ key: 'b', rowGroup: -1, row: -1, code: 'NOT_JSON', message: 'no', retryable: false }],
      objects: [{ object: { key: 'c', size: 1, etag: null, lastModified: null }, rows: 0 }],
      counts: { listed: 2, skipped: 0, existed: 0, bytesRead: 0 },
    })
    const write = (attempt: number, owner = 'test') =>
      writePage(world.app.orm.em.fork(), { ...target, attempt, owner }, page)
    const traces = async () =>
      sql(
        `select (select count(*)::int from task where project_id = $2) as tasks,
           (select count(*)::int from import_link where storage_id = $1) as links,
           (select count(*)::int from imported_object where storage_id = $1) as objects,
           (select count(*)::int from sync_issue where run_id = $3) as issues,
           (select last_inner_id::int from project where id = $2) as numbers,
           (select listed::int from sync_run where id = $3) as listed`,
        [storage.databaseId, row.project, run],
      )
    await expect(write(1)).rejects.toThrow(RunLost)
    await expect(write(2, 'another')).rejects.toThrow(ShardChanged)
    expect(await traces()).toEqual([{ tasks: 0, links: 0, objects: 0, issues: 0, numbers: 0, listed: 0 }])
    expect(await write(2)).toEqual({ created: 1, existed: 0 })
    // The same page once more, as after a crash between write and answer, makes no second task.
    expect(await write(2)).toEqual({ created: 0, existed: 1 })
    expect(await traces()).toEqual([{ tasks: 1, links: 1, objects: 1, issues: 1, numbers: 1, listed: 4 }])
    await sql(`update sync_run set status = 'CANCELED', finished_at = now() where id = $1`, [run])
  })

  it('stops its late worker, and another one finishes it with every task once', async () => {
    const storage = await world.storage({ objects: { 'a.json': '{}', 'b.json': '{}' }, importMethod: 'TASKS' })
    const held = world.front.fail({
      hold: true,
      match: ({ key, bucket }) => bucket === storage.bucket && key === 'a.json',
    })
    const id = await startSync(world.app, storage.id)
    await held.met
    await sql(`update sync_run set attempt = 2, heartbeat_at = now() - interval '1 hour' where storage_id = $1`, [
      storage.databaseId,
    ])
    // The late worker's read is given up: it does not wait for the answer.
    await held.closed
    held.release()
    expect(await finished(world.app, id)).toMatchObject({ status: 'COMPLETED', attempt: 3, counters: { created: 2 } })
  })
})
