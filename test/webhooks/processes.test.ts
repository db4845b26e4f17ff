import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDatabase, startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { createClient } from '@sluice/testkit/client.ts'
import { jobsOf } from '@sluice/testkit/jobs.ts'
import { launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { type Receiver, startReceiver, verify } from '@sluice/testkit/receiver.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { delivered, logged, resend, tell } from '@sluice/testkit/webhooks.ts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { announce } from '../../src/webhooks/announce.ts'

async function receiver(): Promise<Receiver> {
  const started = await startReceiver()
  onTestFinished(() => started.stop())
  return started
}

/** Servers on one database and one folder of files, as several processes are. */
async function servers(count: number): Promise<{ apps: TestApp[]; url: string; root: string }> {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const folder = temporaryFolder('sluice-webhooks-')
  onTestFinished(folder.remove)
  const settings = { WEBHOOK_RETRY_DELAY: '0', LOCAL_FILES_ROOT: folder.path }
  const apps: TestApp[] = []
  for (let n = 0; n < count; n++) {
    const app = await startTestApp(settings, { url: database.url })
    apps.push(app)
    onTestFinished(() => app.stop())
  }
  return { apps, url: database.url, root: folder.path }
}

/** A project with a folder of files. */
async function folderOf(app: TestApp, root: string, files: number): Promise<{ project: string; storage: string }> {
  await mkdir(join(root, 'in'))
  for (let n = 0; n < files; n++) await writeFile(join(root, 'in', String(n)), '')
  const project = await createProject(app)
  const location = { localFiles: { path: 'in' } }
  const { storage } = await createStorage(app, { projectId: project, location, skipCheck: true })
  return { project, storage: storage.id }
}

describe('several processes', () => {
  it('announce each event once and send it once', async () => {
    const { apps, root } = await servers(3)
    const { project, storage } = await folderOf(apps[0]!, root, 3)
    const to = await receiver()
    const hooks = await Promise.all([0, 1, 2, 3].map(() => tell(apps[0]!, project, { url: to.url })))
    expect(await sync(apps[0]!, storage)).toMatchObject({ status: 'COMPLETED' })
    for (const { id } of hooks) {
      const log = await logged(apps[1]!, id, delivered(3))
      expect(log.map(({ type }) => type)).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
    }
    const ids = to.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('an announced event', () => {
  it('is sent by another process if the first one has stopped', async () => {
    const { apps } = await servers(2)
    const [first, second] = apps as [TestApp, TestApp]
    const project = await createProject(first)
    const to = await receiver()
    const webhook = await tell(first, project, { url: to.url })
    const held = to.fail({ hold: true })
    const { delivery } = await resend(first, 'testWebhook', webhook.id)
    await held.met
    // Whichever of the two has it, hands it back or has it cut.
    await first.stop()
    held.release()
    const [log] = await logged(second, webhook.id, delivered(1))
    expect(log).toMatchObject({ id: delivery.id, status: 'DELIVERED' })
    expect(new Set(to.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery.messageId]))
  })

  it('is sent by another process if the first one is killed while it sends', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const folder = temporaryFolder()
    onTestFinished(folder.remove)
    const [adminToken, secretKey] = ['test-admin-token-0123456789', 'test-secret-key-test-secret-key-test']
    const doomed = launch({
      DATABASE_URL: database.url,
      DATA_DIR: join(folder.path, 'data'),
      ADMIN_TOKEN: adminToken,
      SECRET_KEY: secretKey,
      WEBHOOK_TIMEOUT: '1',
    })
    onTestFinished(async () => void (await doomed.end('SIGKILL')))
    const client = createClient((await doomed.ready()).url, adminToken)
    const project = await createProject(client)
    const to = await receiver()
    const held = to.fail({ hold: true })
    const webhook = await tell(client, project, { url: to.url })
    const { delivery } = await resend(client, 'testWebhook', webhook.id)
    await held.met
    await client.close()
    await doomed.end('SIGKILL')
    held.release()
    const heir = await startTestApp({ ADMIN_TOKEN: adminToken, SECRET_KEY: secretKey }, { url: database.url })
    onTestFinished(() => heir.stop())
    const [log] = await logged(heir, webhook.id, delivered(1))
    expect(log).toMatchObject({ id: delivery.id, status: 'DELIVERED' })
    expect(to.received.map(({ headers }) => headers['webhook-id'])).toEqual([delivery.messageId, delivery.messageId])
    for (const one of to.received) verify(webhook.secret, one)
  })

  it('is sent although its job, or its worker, has vanished', async () => {
    const { apps, url } = await servers(1)
    const project = await createProject(apps[0]!)
    const to = await receiver()
    const webhook = await tell(apps[0]!, project, { url: to.url })
    const overdue = `now() - interval '1 minute'`
    await query(
      url,
      `insert into webhook_delivery (webhook_id, action, payload, next_attempt_at) values ($1, 'PING', '{}', ${overdue})`,
      [webhook.databaseId],
    )
    await query(url, `update webhook set leased_until = ${overdue} where id = $1`, [webhook.databaseId])
    await until(() => to.received.length === 1)
  })

  it('is not sent by a second worker while the first one sends it', async () => {
    const { apps, url } = await servers(1)
    const project = await createProject(apps[0]!)
    const to = await receiver()
    const webhook = await tell(apps[0]!, project, { url: to.url })
    await query(url, `update webhook set leased_until = now() + interval '1 hour' where id = $1`, [webhook.databaseId])
    await resend(apps[0]!, 'testWebhook', webhook.id)
    await until(async () => (await jobsOf(url, 'deliver-webhook')).length === 0)
    expect(to.received).toEqual([])
  })
})

describe('an event while no process announced', () => {
  it('is announced at the next start, in order', async () => {
    const { apps, url, root } = await servers(1)
    const { project, storage } = await folderOf(apps[0]!, root, 2)
    const to = await receiver()
    const webhook = await tell(apps[0]!, project, { url: to.url })
    // No process sees the webhook while it is not active: as if all had died right after the sync.
    await query(url, 'update webhook set active = false')
    await sync(apps[0]!, storage)
    await apps[0]!.stop()
    await query(url, 'update webhook set active = true')
    const next = await startTestApp({}, { url })
    onTestFinished(() => next.stop())
    await logged(next, webhook.id, delivered(3))
    expect(to.taken()).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
  })

  it('becomes one delivery even if the process dies between writing deliveries and the commit', async () => {
    const { apps, url, root } = await servers(1)
    const { project, storage } = await folderOf(apps[0]!, root, 2)
    const to = await receiver()
    const webhook = await tell(apps[0]!, project, { url: to.url, active: false })
    await query(url, 'update webhook set last_event = 0')
    await sync(apps[0]!, storage)
    const parts = {
      em: apps[0]!.orm.em.fork(),
      queue: apps[0]!.queue,
      globalId: (type: string, id: number) => {
        if (type === 'Task') throw new Error('the end of this process')
        return `${type} ${id}`
      },
      logger: { warn: () => {} } as never,
    }
    await query(url, 'update webhook set active = true')
    await announce(parts)
    await announce({ ...parts, globalId: (type, id) => `${type} ${id}` })
    const log = await logged(apps[0]!, webhook.id, delivered(3))
    expect(log.map(({ type }) => type)).toEqual(['SYNC_STARTED', 'TASKS_CREATED', 'SYNC_COMPLETED'])
  })
})
