import { setTimeout as sleep } from 'node:timers/promises'
import { annotate, createTasks } from '@sluice/testkit/annotate.ts'
import { createTarget, drained, objectsIn } from '@sluice/testkit/exports.ts'
import { startReceiver } from '@sluice/testkit/receiver.ts'
import { createProject, finished, startSync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { type SeenEvent, statusesOf, storageEvents, untilEnded } from '@sluice/testkit/subscribe.ts'
import { tell } from '@sluice/testkit/webhooks.ts'
import { expect, it, onTestFinished } from 'vitest'
import { startFleet } from './fleet-world.ts'
import { startPostgresProcess } from './postgres-process.ts'

it('after PostgreSQL was killed and restarted 20 s later, all processes reconnect, continue and lose nothing', async () => {
  const postgres = await startPostgresProcess()
  onTestFinished(postgres.remove)
  const receiver = await startReceiver()
  onTestFinished(receiver.stop)
  const { start, storage, front, s3 } = await startFleet({ databaseUrl: postgres.url })
  const sql = (text: string, params: unknown[] = []) => query(postgres.url, text, params)
  const env = { STORAGE_IN_PROGRESS_TIMER: '1', SCHEDULE_MIN_INTERVAL: '1', WEBHOOK_RETRY_DELAY: '1' }
  const api = await start('api', { SLUICE_ROLES: 'api', ...env })
  await start('first', { SLUICE_ROLES: 'worker', ...env })
  await start('second', { SLUICE_ROLES: 'worker', ...env })

  // A sync that waits for a page, with its subscriber on a connection that stays, and a webhook whose receiver is slow.
  const files = await storage(api.client, 'files', 3_500)
  const [row] = await sql('select project_id from storage')
  const webhook = await tell(api.client, btoa(`Project:${row.project_id}`), { url: receiver.url })
  const page = front.fail({ hold: true, match: ({ url }) => url.includes('start-after=') })
  const message = receiver.fail({ hold: true })
  const told: SeenEvent[] = []
  const telling = async function* () {
    const stream = storageEvents({ ...api, ...api.client, token: '' }, 'WebSocket', { storageId: files.id })
    for await (const event of stream) {
      told.push(event)
      yield event
    }
  }
  const seen = untilEnded(telling())
  await until(() => told.length > 0)
  const run = await startSync(api.client, files.id)
  // A storage that is synced every second.
  const often = await storage(api.client, 'often', 1)
  await api.client.request('mutation ($input: ScheduleSyncInput!) { scheduleSync(input: $input) { __typename } }', {
    input: { storageId: often.id, cron: '* * * * * *' },
  })
  const scheduled = (where: string) =>
    until(async () => {
      const text = `select from sync_run where storage_id = $1 and status = 'COMPLETED' and ${where}`
      return (await sql(text, [often.databaseId])).length > 0
    })
  // An annotation on its way to its bucket.
  await s3.createBucket('answers')
  const projectId = await createProject(api.client)
  const place = { bucket: 'answers', endpoint: front.endpoint, accessKeyId: 'a', secretAccessKey: 'b' }
  const { storage: answers } = await createTarget(api.client, { projectId, location: { s3: place }, skipCheck: true })
  const put = front.fail({ hold: true, match: ({ operation }) => operation === 'PutObject' })
  const [annotation] = await annotate(api.client, await createTasks(api.client, projectId, [{ n: 1 }]))
  await Promise.all([page.met, message.met, put.met, scheduled('true')])
  await until(() => told.at(-1)?.run?.counters.listed === 1_000)

  await postgres.kill()
  // The answers come while there is nobody to write them down.
  for (const held of [page, message, put]) held.release()
  await until(async () => (await fetch(`${api.url}/ready`)).status === 503)
  expect((await fetch(`${api.url}/health`)).status).toBe(200)
  await sleep(20_000)
  await postgres.start()
  const [{ now: backAt }] = await sql('select now()::text as now')

  const events = await seen
  expect(events.at(-1)?.run).toMatchObject({
    id: run,
    status: 'COMPLETED',
    counters: { listed: 3_500, created: 3_500 },
  })
  expect(statusesOf(events)).toEqual(
    (
      await sql(`select payload->>'status' as status from event where storage = $1 and kind = 'STATUS' order by id`, [
        files.databaseId,
      ])
    ).map(({ status }) => status),
  )
  const tasks = `select count(*)::int as tasks, count(distinct task_id)::int as files from import_link where storage_id = $1`
  expect((await sql(tasks, [files.databaseId]))[0]).toEqual({ tasks: 3_500, files: 3_500 })
  await until(() => receiver.taken().includes('SYNC_COMPLETED'))
  // One that was being sent may come twice, and is known by its id.
  const messages = new Map(receiver.received.map(({ headers, message }) => [headers['webhook-id'], message.type]))
  expect([...messages.values()]).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
  await until(
    async () =>
      (await sql(`select from webhook_delivery where webhook_id = $1 and status <> 'DELIVERED'`, [webhook.databaseId]))
        .length === 0,
  )
  await drained(api.client, answers.id)
  expect(Object.keys(await objectsIn(s3, 'answers'))).toEqual([`${annotation!.databaseId}.json`])
  expect(await sql('select annotation_id::int as id from export_link')).toEqual([{ id: annotation!.databaseId }])
  await scheduled(`queued_at > '${backAt}'`)
  expect((await fetch(`${api.url}/ready`)).status).toBe(200)
  // Jobs start as before, and their end is told.
  expect(await finished(api.client, await startSync(api.client, files.id))).toMatchObject({
    status: 'COMPLETED',
    attempt: 1,
    counters: { existed: 3_500, created: 0 },
  })
})
