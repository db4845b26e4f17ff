import { importObjects } from '@sluice/testkit/chosen-keys.ts'
import { jobsOf } from '@sluice/testkit/jobs.ts'
import { type Receiver, startReceiver, verify } from '@sluice/testkit/receiver.ts'
import { finished, startSync, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { deleteTasks } from '@sluice/testkit/tasks.ts'
import { delivered, logged, tell, updateWebhook } from '@sluice/testkit/webhooks.ts'
import { startWorld, type World } from '@sluice/testkit/world.ts'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connectionOf } from '../../src/database/open.ts'
import { recordEvent } from '../../src/events/log.ts'
import { beginRun, finishRun, queueRun } from '../../src/runs/run.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ WEBHOOK_RETRY_DELAY: '0' })
})
afterAll(() => world?.stop())

async function receiver(): Promise<Receiver> {
  const started = await startReceiver()
  onTestFinished(() => started.stop())
  return started
}

/** The global ids of all tasks of a storage, oldest first. */
async function taskIds(storage: number): Promise<string[]> {
  const rows = await query(
    world.app.databaseUrl,
    'select task_id as id from import_link where storage_id = $1 order by id',
    [storage],
  )
  return rows.map(({ id }) => Buffer.from(`Task:${id}`).toString('base64'))
}

const announced = ({ received }: Receiver) => received.flatMap(({ message }) => message.data.taskIds ?? [])

describe('a webhook', () => {
  it('receives a sync from its start to its end, and its tasks in batches of 5,000', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 12_000 })
    const storage = await world.storage({ bucket })
    const to = await receiver()
    const webhook = await tell(world.app, storage.project, { url: `${to.url}/hook?a=b` })
    const run = await sync(world.app, storage.id)
    const log = await logged(world.app, webhook.id, delivered(5))

    expect(to.taken()).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'TASKS_CREATED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
    const place = { projectId: storage.project, storageId: storage.id, runId: run.id }
    for (const one of to.received) {
      expect(verify(webhook.secret, one)).toEqual(one.message)
      expect(one).toMatchObject({ path: '/hook?a=b', headers: { 'content-type': 'application/json' } })
      expect(one.message).toMatchObject({ timestamp: expect.stringMatching(/^\d{4}-.*Z$/), data: place })
    }
    const batches = to.received.flatMap(({ message }) => (message.data.taskIds ? [message.data.taskIds.length] : []))
    expect(batches).toEqual([5_000, 5_000, 2_000])
    expect(announced(to)).toEqual(await taskIds(storage.databaseId))
    const { status, counters } = to.received.at(-1)!.message.data.run
    expect({ status, created: counters.created }).toEqual({ status: 'COMPLETED', created: 12_000 })
    expect(to.received[0]!.message.data.run).toMatchObject({ status: 'IN_PROGRESS', finishedAt: null })

    // The log holds what was sent, to the byte and in the order of sending.
    expect(log.map(({ payload }) => payload)).toEqual(to.received.map(({ message }) => message))
    expect(log.map(({ messageId }) => messageId)).toEqual(to.received.map(({ headers }) => headers['webhook-id']))
    expect(log[0]).toMatchObject({ type: 'SYNC_STARTED', attempts: 1, responseStatus: 200, responseBody: null })
  })

  it('receives the tasks of chosen objects when their import ends, without a sync', async () => {
    const storage = await world.storage({ objects: { 'a.jpg': '' } })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url })
    await importObjects(world.app, storage.id, ['a.jpg'])
    await until(() => announced(to).length > 0, { what: 'the task of the chosen object' })
    expect(announced(to)).toEqual(await taskIds(storage.databaseId))
    expect(to.taken()).toEqual(['TASKS_CREATED'])
  })

  it('misses no task of a page that commits after a page of another run that began later', async () => {
    const storage = await world.storage({ objects: { 'a.jpg': '', 'slow.jpg': '' } })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url })
    // The page of the chosen object waits after its link got an id.
    const client = new pg.Client(connectionOf(world.app.databaseUrl))
    await client.connect()
    onTestFinished(() => client.end())
    const slow = `slow_${storage.databaseId}`
    await client.query(`
      create function ${slow}() returns trigger language plpgsql as $$ begin
        perform pg_advisory_xact_lock(hashtext('${slow}')); return new; end $$;
      create trigger ${slow} before insert on import_link for each row
        when (new.key = 'slow.jpg' and new.storage_id = ${storage.databaseId}) execute function ${slow}();
      select pg_advisory_lock(hashtext('${slow}'))`)
    const pagesThatWait = async () => {
      const { rows } = await client.query(`select pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%with held as%'`)
      return rows.length
    }
    const chosen = importObjects(world.app, storage.id, ['slow.jpg'])
    await until(async () => (await pagesThatWait()) === 1, { what: 'the page of the chosen object' })
    const syncing = sync(world.app, storage.id)
    let isOver = false
    const over = syncing.then(() => {
      isOver = true
    })
    await until(async () => isOver || (await pagesThatWait()) === 2, { what: 'the sync, or that its page waits' })
    await client.query(`select pg_advisory_unlock(hashtext('${slow}'))`)
    await Promise.all([chosen, over])
    await until(() => announced(to).length >= 2, { what: 'both tasks' })
    expect(announced(to).sort()).toEqual((await taskIds(storage.databaseId)).sort())
  })

  it('receives full batches while the sync still runs', async () => {
    const bucket = await world.bucket()
    await world.s3.seed(bucket, { count: 7_000 })
    const storage = await world.storage({ bucket })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url })
    let lists = 0
    const held = world.front.fail({ hold: true, match: (request) => request.bucket === bucket && ++lists === 7 })
    const id = await startSync(world.app, storage.id)
    await held.met
    const run = await until(async () => {
      const [row] = await query(
        world.app.databaseUrl,
        'select id::int from sync_run where storage_id = $1 and created = 6000',
        [storage.databaseId],
      )
      return row
    })
    // The next sign of progress, which the clock would bring with a page.
    await world.app.orm.em.fork().transactional((tx) => recordEvent(tx, 'PROGRESS', { type: 'RUN', id: run.id }))
    await until(() => to.taken().length === 2)
    expect(announced(to)).toEqual((await taskIds(storage.databaseId)).slice(0, 5_000))
    held.release()
    await finished(world.app, id)
    await until(() => to.taken().includes('SYNC_COMPLETED'))
    expect(announced(to)).toEqual(await taskIds(storage.databaseId))
  })

  it('receives only what happens after its creation, also for a storage with tasks', async () => {
    const storage = await world.storage({ objects: { a: '', b: '' } })
    await sync(world.app, storage.id)
    const to = await receiver()
    const webhook = await tell(world.app, storage.project, { url: to.url })
    await world.s3.put(storage.bucket, 'c', '')
    await sync(world.app, storage.id)
    await logged(world.app, webhook.id, delivered(3))
    expect(to.taken()).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
    expect(announced(to)).toEqual((await taskIds(storage.databaseId)).slice(2))
  })

  it('receives only its actions, and only those of its project', async () => {
    const [storage, other] = await Promise.all([0, 1].map(() => world.storage({ objects: { a: '' } })))
    const to = await receiver()
    const webhook = await tell(world.app, storage!.project, { url: to.url, actions: ['SYNC_COMPLETED'] })
    await sync(world.app, other!.id)
    await sync(world.app, storage!.id)
    const log = await logged(world.app, webhook.id, delivered(1))
    expect(log.map(({ type }) => type)).toEqual(['SYNC_COMPLETED'])
    expect(log[0].payload.data.storageId).toBe(storage!.id)

    // Asked for later, tasks are announced from then on.
    await updateWebhook(world.app, { id: webhook.id, actions: ['TASKS_CREATED'] })
    await world.s3.put(storage!.bucket, 'b', '')
    await sync(world.app, storage!.id)
    await logged(world.app, webhook.id, delivered(2))
    expect(announced(to)).toEqual((await taskIds(storage!.databaseId)).slice(1))
  })

  it('receives why a sync failed, and that one was canceled', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url })
    world.front.fail({ status: 403, code: 'AccessDenied', match: ({ bucket }) => bucket === storage.bucket })
    const failed = await sync(world.app, storage.id)
    expect(failed.status).toBe('FAILED')
    await until(() => to.taken().length === 2)
    expect(to.taken()).toEqual(['SYNC_STARTED', 'SYNC_FAILED'])
    expect(to.received[1]!.message.data.run).toMatchObject({ status: 'FAILED', failure: failed.failure })

    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const id = await startSync(world.app, storage.id)
    await held.met
    await world.app.request('mutation ($id: ID!) { cancelSync(runId: $id) { __typename } }', { id })
    await finished(world.app, id)
    held.release()
    await until(() => to.taken().length === 4)
    expect(to.taken().slice(2)).toEqual(['SYNC_STARTED', 'SYNC_CANCELED'])
  })

  it('receives the start of a sync once, for any number of workers', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url })
    const held = world.front.fail({ hold: true, match: ({ bucket }) => bucket === storage.bucket })
    const id = await startSync(world.app, storage.id)
    await held.met
    await query(
      world.app.databaseUrl,
      `update sync_run set attempt = 2, heartbeat_at = now() - interval '1 hour' where storage_id = $1`,
      [storage.databaseId],
    )
    await held.closed
    held.release()
    expect(await finished(world.app, id)).toMatchObject({ status: 'COMPLETED', attempt: 3 })
    await until(() => to.taken().includes('SYNC_COMPLETED'))
    expect(to.taken()).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
  })

  it('does not receive dry runs', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url })
    const em = world.app.orm.em.fork()
    const { run } = await queueRun(em, storage.databaseId, { kind: 'DRY_RUN' })
    await beginRun(em, run)
    await finishRun(em, run, 'COMPLETED')
    const { id } = await sync(world.app, storage.id)
    await until(() => to.taken().includes('SYNC_COMPLETED'))
    expect(to.taken()).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
    expect(to.received.map(({ message }) => message.data.runId)).toEqual([id, id, id])
  })

  it('receives nothing while it is inactive, and then only what happens later', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const to = await receiver()
    const webhook = await tell(world.app, storage.project, { url: to.url, active: false })
    await sync(world.app, storage.id)
    await updateWebhook(world.app, { id: webhook.id, active: true })
    await world.s3.put(storage.bucket, 'b', '')
    await sync(world.app, storage.id)
    await logged(world.app, webhook.id, delivered(3))
    expect(to.taken()).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
    expect(announced(to)).toEqual((await taskIds(storage.databaseId)).slice(1))
  })

  it('does not receive a deleted task and its successor a second time', async () => {
    const storage = await world.storage({ objects: { a: '', b: '' } })
    const to = await receiver()
    await tell(world.app, storage.project, { url: to.url, actions: ['TASKS_CREATED'] })
    await sync(world.app, storage.id)
    await until(() => to.taken().length === 1)
    const [first] = await taskIds(storage.databaseId)
    await deleteTasks(world.app, [first!])
    await sync(world.app, storage.id)
    await until(() => to.taken().length === 2)
    const [, successor] = await taskIds(storage.databaseId)
    expect(announced(to).slice(2)).toEqual([successor])
  })

  it('loses no task after the events of its creation were pruned', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const to = await receiver()
    const webhook = await tell(world.app, storage.project, { url: to.url, active: false })
    // As if every process had died before it could announce, and the log was shortened before one lived again.
    const [{ last }] = await query(world.app.databaseUrl, 'select last_event as last from webhook where id = $1', [
      webhook.databaseId,
    ])
    await sync(world.app, storage.id)
    await query(world.app.databaseUrl, 'delete from event where id > $1 and storage = $2', [last, storage.databaseId])
    await query(world.app.databaseUrl, 'update webhook set active = true where id = $1', [webhook.databaseId])
    await world.s3.put(storage.bucket, 'b', '')
    await sync(world.app, storage.id)
    await until(() => to.taken().includes('SYNC_COMPLETED'))
    expect(announced(to)).toEqual(await taskIds(storage.databaseId))
  })

  it('is deleted with its project and its log, and pending messages are not sent', async () => {
    const storage = await world.storage({ objects: { a: '' } })
    const to = await receiver()
    const webhook = await tell(world.app, storage.project, { url: to.url })
    const held = to.fail({ hold: true })
    await sync(world.app, storage.id)
    await held.met
    await logged(world.app, webhook.id, (log) => log.length === 3)
    const { deleteProject } = await world.app.request(
      'mutation ($id: ID!) { deleteProject(id: $id) { ... on DeleteProjectSuccess { deletedId } } }',
      { id: storage.project },
    )
    expect(deleteProject).toEqual({ deletedId: storage.project })
    held.release()
    const [left] = await query(
      world.app.databaseUrl,
      `select (select count(*)::int from webhook where id = $1) as webhooks,
         (select count(*)::int from webhook_delivery where webhook_id = $1) as deliveries`,
      [webhook.databaseId],
    )
    expect(left).toEqual({ webhooks: 0, deliveries: 0 })
    await until(async () => (await jobsOf(world.app.databaseUrl, 'deliver-webhook')).length === 0)
    expect(to.received.length).toBe(1)
  })
})
