import { createDatabase, startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { unknownId } from '@sluice/testkit/errors.ts'
import { startReceiver } from '@sluice/testkit/receiver.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query, statementsOf } from '@sluice/testkit/sql.ts'
import {
  createWebhook,
  deliveryFields,
  logged,
  resend,
  tell,
  updateWebhook,
  webhookFields,
} from '@sluice/testkit/webhooks.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const url = 'https://example.com/hook'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`

let app: TestApp
let projectId: string
beforeAll(async () => {
  app = await startTestApp()
  projectId = await createProject(app)
})
afterAll(() => app?.stop())

const remove = async (id: string) => {
  const { deleteWebhook } = await app.request(
    `mutation ($id: ID!) { deleteWebhook(id: $id) { ... on DeleteWebhookSuccess { deletedId } ... on Error { code } } }`,
    { id },
  )
  return deleteWebhook
}

describe('webhooks', () => {
  it('are created active, with their own secret, and returned by every query', async () => {
    const own = await createProject(app)
    const actions = ['SYNC_FAILED', 'TASKS_CREATED', 'SYNC_FAILED']
    const { newWebhook } = await createWebhook(app, { projectId: own, url, actions })
    const { webhook } = newWebhook
    expect(webhook).toMatchObject({
      ...{ url, active: true, project: { id: own } },
      actions: ['SYNC_FAILED', 'TASKS_CREATED'],
    })
    const read = await app.request(
      `query ($id: ID!, $project: ID!) { node(id: $id) { ... on Webhook { ${webhookFields} } }
        project(id: $project) { webhooks { totalCount edges { node { ${webhookFields} } } } } }`,
      { id: webhook.id, project: own },
    )
    expect(read.node).toEqual(webhook)
    expect(read.project.webhooks).toEqual({ totalCount: 1, edges: [{ node: webhook }] })
    const other = await createWebhook(app, { projectId: own, url })
    expect(other.newWebhook.secret).not.toBe(newWebhook.secret)
  })

  it('keep the fields that an update omits or sets to null', async () => {
    const { id } = await tell(app, projectId, { url, actions: ['SYNC_FAILED'], secret })
    const { webhook } = await updateWebhook(app, { id, url: 'http://example.org', active: false, actions: null })
    expect(webhook).toMatchObject({ url: 'http://example.org/', active: false, actions: ['SYNC_FAILED'] })
    const { webhook: again } = await updateWebhook(app, { id, actions: ['SYNC_STARTED'], secret: null })
    expect(again).toMatchObject({ url: 'http://example.org/', active: false, actions: ['SYNC_STARTED'] })
  })

  it('report all errors of their input at once and change nothing', async () => {
    const { id } = await tell(app, projectId, { url })
    const bad = { url: 'ftp://example.com', actions: [], secret: 'guess me' }
    for (const answer of [await createWebhook(app, { projectId, ...bad }), await updateWebhook(app, { id, ...bad })]) {
      expect(answer.code).toBe('VALIDATION')
      expect(answer.fieldErrors.map(({ path }: { path: string }) => path)).toEqual([
        'input.url',
        'input.actions',
        'input.secret',
      ])
    }
    const { node } = await app.request('query ($id: ID!) { node(id: $id) { ... on Webhook { url } } }', { id })
    expect(node).toEqual({ url })
  })

  it.each([
    ['', /http/],
    ['example.com', /http/],
    ['/hook', /http/],
    ['file:///etc/passwd', /http/],
    ['http://user:password@example.com', /user name or password/],
    [`https://example.com/${'x'.repeat(2_000)}`, /2000 characters/],
    ['http://169.254.169.254/latest/meta-data', /may not connect to 169\.254\.169\.254/],
    ['http://[::ffff:a9fe:a9fe]/', /may not connect/],
    // As URLs may write the same address.
    ['http://2852039166/', /may not connect to 169\.254\.169\.254/],
  ])('cannot be sent to %j', async (text, words) => {
    const answer = await createWebhook(app, { projectId, url: text })
    expect(answer).toMatchObject({
      code: 'VALIDATION',
      fieldErrors: [{ path: 'input.url', message: expect.stringMatching(words) }],
    })
  })

  it.each([
    ['whsec_'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`],
    [`whsec_${Buffer.alloc(65).toString('base64')}`],
    [Buffer.alloc(32).toString('base64')],
    [`whsec_${'*'.repeat(44)}`],
  ])('do not accept the secret %j', async (text) => {
    const answer = await createWebhook(app, { projectId, url, secret: text })
    expect(answer).toMatchObject({ code: 'VALIDATION', fieldErrors: [{ path: 'input.secret' }] })
    expect(JSON.stringify(answer)).not.toContain(text.slice('whsec_'.length) || 'never')
  })

  it('are NOT_FOUND once deleted, like unknown ones', async () => {
    const { id } = await tell(app, projectId, { url })
    expect(await remove(id)).toEqual({ deletedId: id })
    for (const gone of [id, unknownId('Webhook'), unknownId('Project'), 'nonsense']) {
      expect(await remove(gone)).toEqual({ code: 'NOT_FOUND' })
      expect(await updateWebhook(app, { id: gone, url })).toMatchObject({ code: 'NOT_FOUND' })
      expect(await resend(app, 'testWebhook', gone)).toMatchObject({ code: 'NOT_FOUND' })
    }
    expect(await resend(app, 'redeliverWebhook', unknownId('WebhookDelivery'))).toMatchObject({ code: 'NOT_FOUND' })
    expect(await createWebhook(app, { projectId: unknownId('Project'), url })).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('that are inactive cannot send a message again', async () => {
    const to = await startReceiver()
    onTestFinished(() => to.stop())
    const webhook = await tell(app, projectId, { url: to.url })
    await query(
      app.databaseUrl,
      `insert into webhook_delivery (webhook_id, action, payload, status)
      values ($1, 'SYNC_FAILED', '{}', 'FAILED')`,
      [webhook.databaseId],
    )
    const [message] = await logged(app, webhook.id, () => true)
    await updateWebhook(app, { id: webhook.id, active: false })
    expect(await resend(app, 'redeliverWebhook', message.id)).toMatchObject({ code: 'CONFLICT' })
    // What was still to be sent goes out once it is active again.
    await query(app.databaseUrl, `update webhook_delivery set status = 'PENDING' where webhook_id = $1`, [
      webhook.databaseId,
    ])
    await updateWebhook(app, { id: webhook.id, active: true })
    await logged(app, webhook.id, ([only]) => only.status === 'DELIVERED')
    expect(to.received.length).toBe(1)
  })

  it('and their deliveries need as many statements for many as for one', async () => {
    const cost = async (count: number) => {
      const own = await createProject(app)
      for (let n = 0; n < count; n++) {
        const { databaseId } = await tell(app, own, { url })
        await query(
          app.databaseUrl,
          `insert into webhook_delivery (webhook_id, action, payload, status)
          select $1, 'SYNC_FAILED', '{}', 'FAILED' from generate_series(1, 3)`,
          [databaseId],
        )
      }
      const nodes = await query(
        app.databaseUrl,
        `select d.id from webhook_delivery d join webhook w on w.id = d.webhook_id
        join project p on p.id = w.project_id where p.id = (select max(id) from project)`,
      )
      const ids = nodes.map(({ id }) => Buffer.from(`WebhookDelivery:${id}`).toString('base64'))
      const sent = await statementsOf(() =>
        app.request(
          `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on WebhookDelivery {
          ${deliveryFields} webhook { project { title } } } } }`,
          { ids },
        ),
      )
      // Without those of jobs, which go by the clock: the API reads through the ORM.
      return sent.filter((text) => /^select "/.test(text))
    }
    const [one, many] = [await cost(1), await cost(5)]
    expect([one.length, many.length]).toEqual([3, 3])
  })
})

describe('a blocked address', () => {
  it('is not connected to, although the webhook was saved before it was blocked', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const to = await startReceiver()
    onTestFinished(() => to.stop())
    const before = await startTestApp({}, database)
    const webhooks = []
    try {
      const project = await createProject(before)
      for (const host of ['127.0.0.1', 'localhost']) {
        webhooks.push(await tell(before, project, { url: `http://${host}:${to.port}` }))
      }
    } finally {
      await before.stop()
    }
    const after = await startTestApp({ EGRESS_BLOCKED: '127.0.0.0/8,::1' }, database)
    onTestFinished(() => after.stop())
    for (const { id } of webhooks) {
      await resend(after, 'testWebhook', id)
      const [log] = await logged(after, id, ([only]) => only.attempts > 0)
      expect(log).toMatchObject({ status: 'PENDING', error: expect.stringMatching(/^The server may not connect to /) })
    }
    expect(to.received).toEqual([])
  })
})
