import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDatabase } from '@sluice/testkit/app.ts'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { type Launched, launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { type Receiver, startReceiver } from '@sluice/testkit/receiver.ts'
import { createProject, createStorage, sync } from '@sluice/testkit/scenario.ts'
import { query } from '@sluice/testkit/sql.ts'
import { createWebhook, logged, resend, updateWebhook } from '@sluice/testkit/webhooks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everythingOf, formsOf } from '../storages/everything.ts'

describe('with webhooks in use', () => {
  let server: Launched
  let client: GraphqlClient
  let receiver: Receiver
  let database: Awaited<ReturnType<typeof createDatabase>>
  const folder = temporaryFolder()
  const keyPair = {
    accessKeyId: `AKIA${randomBytes(8).toString('hex')}`,
    secretAccessKey: randomBytes(18).toString('base64'),
  }
  const secrets: string[] = Object.values(keyPair)
  const newSecret = () => {
    const key = randomBytes(32).toString('base64')
    secrets.push(key)
    return `whsec_${key}`
  }
  /** All that was received, by where it came from. */
  const seen: Record<string, string> = {}
  const hear = async <T>(name: string, answer: Promise<T>): Promise<T | undefined> => {
    const value = await answer.catch((error: { errors?: unknown }) => ({ errors: error.errors }))
    seen[`${name} ${Object.keys(seen).length}`] = JSON.stringify(value)
    return 'errors' in (value as object) ? undefined : (value as T)
  }

  beforeAll(async () => {
    ;[receiver, database] = await Promise.all([startReceiver(), createDatabase()])
    await mkdir(join(folder.path, 'files/in'), { recursive: true })
    await writeFile(join(folder.path, 'files/in/a.txt'), 'x')
    const adminToken = `admin-${randomUUID()}`
    const secretKey = `seal-${randomUUID()}`
    secrets.push(adminToken, secretKey)
    server = launch({
      DATABASE_URL: database.url,
      DATA_DIR: join(folder.path, 'data'),
      LOCAL_FILES_ROOT: join(folder.path, 'files'),
      ADMIN_TOKEN: adminToken,
      SECRET_KEY: secretKey,
      LOG_LEVEL: 'trace',
      WEBHOOK_RETRY_DELAY: '0',
    })
    client = createClient((await server.ready()).url, adminToken)
  })
  afterAll(async () => {
    await client?.close()
    await server?.end()
    await database?.drop()
    await receiver?.stop()
    folder.remove()
  })

  it('no response except that of the creation, no message, log line or table contains a secret, in any encoding', async () => {
    const projectId = await createProject(client)
    const { url } = receiver
    const hooks: string[] = []
    for (const given of [undefined, newSecret()]) {
      const { newWebhook } = await createWebhook(client, { projectId, url, secret: given })
      expect(newWebhook.secret).toBe(given ?? newWebhook.secret)
      secrets.push(newWebhook.secret.slice('whsec_'.length))
      hooks.push(newWebhook.webhook.id)
    }
    for (const secret of [newSecret().slice(0, -1), newSecret().slice(6), [newSecret()], { deep: newSecret() }]) {
      await hear('refused', createWebhook(client, { projectId, url, secret }))
      await hear('refused', updateWebhook(client, { id: hooks[0], secret }))
    }
    await hear('refused', createWebhook(client, { projectId, url: 'nonsense', secret: newSecret() }))
    await hear('refused', createWebhook(client, { projectId, url: `http://user:${newSecret()}@localhost` }))
    await hear('changed', updateWebhook(client, { id: hooks[1], secret: newSecret() }))

    // A receiver that says again what it was sent, one that fails, and syncs that succeed and fail.
    receiver.fail({ status: 500, body: 'no', times: 3 })
    for (const id of hooks) await hear('ping', resend(client, 'testWebhook', id))
    const places = [
      { localFiles: { path: 'in' } },
      { s3: { bucket: 'photos', endpoint: 'http://127.0.0.1:2', ...keyPair } },
    ]
    for (const location of places) {
      const { storage } = await createStorage(client, { projectId, location, skipCheck: true })
      await hear('run', sync(client, storage.id))
    }
    for (const id of hooks) {
      const log = await logged(client, id, (all) => all.length >= 6 && all.every((one) => one.status === 'DELIVERED'))
      expect(log.map(({ type }) => type)).toContain('SYNC_FAILED')
      seen[`log of ${id}`] = JSON.stringify(log)
    }
    await hear(
      'everything',
      client.request(
        `query ($ids: [ID!]!) { nodes(ids: $ids) {
      ... on Webhook { ${everythingOf('Webhook', 2)} } } }`,
        { ids: hooks },
      ),
    )
    seen.messages = JSON.stringify(receiver.received)
    for (const table of ['webhook', 'webhook_delivery', 'event', 'sync_run', 'agenda_jobs']) {
      const rows = await query(database.url, `select t::text as text from ${table} t`)
      seen[`table ${table}`] = rows.map(({ text }) => text).join('\n')
    }
    await client.close()
    seen.log = (await server.end()).output

    // What is looked for was there to be found.
    expect(JSON.stringify(seen)).not.toMatch(/Syntax Error|GRAPHQL_VALIDATION_FAILED/)
    for (const part of ['messages', 'log', 'table webhook', 'table webhook_delivery']) {
      expect(seen[part]?.length, part).toBeGreaterThan(100)
    }
    const leaks = Object.entries(seen).filter(([, text]) =>
      secrets.some((one) => formsOf(one).some((form) => text.includes(form))),
    )
    expect(leaks.map(([name, text]) => `${name}: ${text.slice(0, 200)}`)).toEqual([])
  })
})
