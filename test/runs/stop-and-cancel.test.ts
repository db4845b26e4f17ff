import { createDatabase, startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import type { GraphqlClient } from '@sluice/testkit/client.ts'
import { jobsOf } from '@sluice/testkit/jobs.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

async function cancel(client: GraphqlClient, runId: string) {
  const { cancelSync } = await client.request(
    `mutation ($id: ID!) { cancelSync(runId: $id) {
      ... on CancelSyncSuccess { run { status cancelRequested } } ... on Error { code message } } }`,
    { id: runId },
  )
  return cancelSync
}

describe('cancelling a sync', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ WORKER_CONCURRENCY: '1' })
  })
  afterAll(() => world?.stop())

  it('ends a running one at once, even during a read, and keeps the imported tasks', async () => {
    const storage = await world.storage({ objects: { 'a.json': '{}', 'b.json': '{}' }, importMethod: 'TASKS' })
    const held = world.front.fail({ hold: true, match: ({ key }) => key === 'b.json' })
    const run = await startSync(world.app, storage.id)
    await held.met
    expect(await cancel(world.app, run)).toEqual({ run: { status: 'IN_PROGRESS', cancelRequested: true } })
    expect(await finished(world.app, run)).toMatchObject({ status: 'CANCELED', failure: null })
    await held.closed
    held.release()
    const again = await finished(world.app, await startSync(world.app, storage.id))
    expect(again).toMatchObject({ status: 'COMPLETED', cancelRequested: false })
  })

  it('ends one that waits without ever starting it', async () => {
    // Of one project, which has one slot: another project would not wait.
    const busy = await world.storage({ objects: { a: '' } })
    const waiting = await world.storage({ objects: { a: '' }, project: busy.project })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === busy.bucket })
    const first = await startSync(world.app, busy.id)
    await held.met
    const second = await startSync(world.app, waiting.id)
    expect(await cancel(world.app, second)).toEqual({ run: { status: 'CANCELED', cancelRequested: true } })
    held.release()
    expect(await finished(world.app, first)).toMatchObject({ status: 'COMPLETED' })
    const { node } = await world.app.request(
      `query ($id: ID!) { node(id: $id) { ... on SyncRun { status startedAt durationMs counters { listed } } } }`,
      { id: second },
    )
    expect(node).toEqual({ status: 'CANCELED', startedAt: null, durationMs: null, counters: { listed: 0 } })
  })

  it('is a conflict after it has ended, and NOT_FOUND for unknown runs', async () => {
    const storage = await world.storage({ objects: {} })
    const run = await startSync(world.app, storage.id)
    await finished(world.app, run)
    expect(await cancel(world.app, run)).toMatchObject({ code: 'CONFLICT' })
    const unknown = Buffer.from('SyncRun:999999').toString('base64')
    expect(await cancel(world.app, unknown)).toMatchObject({ code: 'NOT_FOUND' })
    expect(await cancel(world.app, 'nonsense')).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('stopping a server', () => {
  let s3: S3Server
  let database: Awaited<ReturnType<typeof createDatabase>>
  beforeAll(async () => {
    ;[s3, database] = await Promise.all([startS3(), createDatabase()])
  })
  afterAll(async () => {
    await Promise.all([s3?.stop(), database?.drop()])
  })

  it('requeues a running sync, and the next server finishes it with every task once', async () => {
    const front = await startFront({ target: s3.endpoint })
    await s3.createBucket('files')
    await s3.seed('files', { count: 2_500 })
    const first: TestApp = await startTestApp({}, database)
    const { storage } = await createStorage(first, {
      projectId: await createProject(first),
      location: { s3: { bucket: 'files', endpoint: front.endpoint, accessKeyId: 'k', secretAccessKey: 's' } },
      skipCheck: true,
    })
    const held = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
    const run = await startSync(first, storage.id)
    await held.met
    // The second page is asked for while the first is still at work.
    await until(async () => {
      const [row] = await query(database.url, 'select listed::int from sync_run')
      return row?.listed === 1_000
    })
    await first.stop()
    held.release()
    const [state] = await query(
      database.url,
      `select r.status, r.attempt, r.excused, s.cursor, r.listed::int, r.finished_at, r.job_id as job
       from sync_run r join sync_shard s on s.run_id = r.id
       where r.storage_id = $1`,
      [storage.databaseId],
    )
    // In the queue already: whoever is there goes on at once.
    const waiting = await jobsOf(database.url, 'import-storage')
    expect(state).toEqual({
      ...{ status: 'QUEUED', attempt: 2, excused: 1, cursor: '00000999.bin', listed: 1_000, finished_at: null },
      job: String(waiting[0]?._id),
    })

    const lists = front.counts.ListObjectsV2!
    const second = await startTestApp({}, database)
    expect(await finished(second, run)).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      counters: { listed: 2_500, created: 2_500, existed: 0 },
    })
    expect(front.counts.ListObjectsV2! - lists).toBe(2)
    const [tasks] = await query(
      database.url,
      'select count(*)::int as tasks, count(distinct data::text)::int as files, max(inner_id)::int as last from task',
    )
    expect(tasks).toEqual({ tasks: 2_500, files: 2_500, last: 2_500 })
    await second.stop()
    await front.stop()
  })
})
