import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type Receiver, startReceiver, verify } from '@sluice/testkit/receiver.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { query, until } from '@sluice/testkit/sql.ts'
import { delivered, deliveriesOf, logged, resend, tell, updateWebhook } from '@sluice/testkit/webhooks.ts'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { waitSeconds } from '../../src/webhooks/deliver.ts'

let app: TestApp
/** A server whose patience ends soon. */
let hasty: TestApp
let project: string
let hastyProject: string
beforeAll(async () => {
  ;[app, hasty] = (await Promise.all(
    ['60', '0.3'].map((timeout) => startTestApp({ WEBHOOK_RETRY_DELAY: '0', WEBHOOK_TIMEOUT: timeout })),
  )) as [TestApp, TestApp]
  ;[project, hastyProject] = [await createProject(app), await createProject(hasty)]
})
afterAll(() => Promise.all([app?.stop(), hasty?.stop()]))

async function receiver(port?: number): Promise<Receiver> {
  const started = await startReceiver(port)
  onTestFinished(() => started.stop())
  return started
}

/** Sends a PING to a webhook and waits for what becomes of it. */
async function ping(id: string) {
  const { delivery } = await resend(app, 'testWebhook', id)
  return outcome(delivery.id)
}

/** A delivery in its final state. */
async function outcome(deliveryId: string) {
  return until(async () => {
    const { node } = await app.request(
      `query ($id: ID!) { node(id: $id) { ... on WebhookDelivery {
        id type status attempts error responseStatus responseBody nextAttemptAt deliveredAt messageId } } }`,
      { id: deliveryId },
    )
    return node.status !== 'PENDING' && node
  })
}

describe('a message', () => {
  it('is accepted by the library of Standard Webhooks, which refuses a changed message and another key', async () => {
    const to = await receiver()
    const [first, second] = [await tell(app, project, { url: to.url }), await tell(app, project, { url: to.url })]
    expect(first.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    await ping(first.id)
    const [one] = to.received
    expect(verify(first.secret, one!)).toMatchObject({
      type: 'PING',
      data: { projectId: project, webhookId: first.id },
    })
    expect(() => verify(second.secret, one!)).toThrow('No matching signature')
    expect(() => verify(first.secret, { ...one!, body: one!.body.replace('PING', 'PONG') })).toThrow()
    expect(() => verify(first.secret, { ...one!, headers: { ...one!.headers, 'webhook-id': 'msg_x' } })).toThrow()
  })

  it('is sent again until it arrives, under the same id, each time with a signature of its own', async () => {
    const to = await receiver()
    const webhook = await tell(app, project, { url: to.url })
    to.fail({ status: 500, body: 'I am not well', times: 2 })
    const delivery = await ping(webhook.id)
    expect(delivery).toMatchObject({
      status: 'DELIVERED',
      attempts: 3,
      error: null,
      responseStatus: 200,
      // The receiver has an internal address, of which a stranger must learn no more than the status.
      responseBody: null,
      nextAttemptAt: null,
    })
    expect(to.received.map(({ status }) => status)).toEqual([500, 500, 200])
    expect(new Set(to.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery.messageId]))
    for (const one of to.received) verify(webhook.secret, one)
  })

  it('fails after eight attempts, with the reason and the response in the log, and can be sent again', async () => {
    const to = await receiver()
    const webhook = await tell(app, project, { url: to.url })
    const down = to.fail({ status: 503, body: `closed\0${'x'.repeat(10_000)}`, times: Number.POSITIVE_INFINITY })
    const delivery = await ping(webhook.id)
    expect(delivery).toMatchObject({ status: 'FAILED', attempts: 8, error: 'The receiver answered 503.' })
    expect(delivery).toMatchObject({ responseStatus: 503, responseBody: null })
    expect(to.received.length).toBe(8)
    down.release()
    // It may have arrived already when this is answered.
    const again = await resend(app, 'redeliverWebhook', delivery.id)
    expect(again).toMatchObject({ delivery: { id: delivery.id, messageId: delivery.messageId } })
    expect(await outcome(delivery.id)).toMatchObject({ status: 'DELIVERED', attempts: 1, responseStatus: 200 })
    expect(to.received.length).toBe(9)
  })

  it.each([
    { fault: { status: 301, headers: { location: '/elsewhere' } }, error: /answered 301\. Redirects are not followed/ },
    { fault: { hold: true }, error: /^The receiver did not answer within 0\.3 s\.$/ },
    { fault: { cut: true }, error: /^The receiver cannot be reached: ECONNRESET\.$/ },
    { fault: { status: 404 }, error: /^The receiver answered 404\.$/ },
  ])('that meets $fault counts as not delivered', async ({ fault, error }) => {
    const to = await receiver()
    const webhook = await tell(hasty, hastyProject, { url: to.url })
    to.fail({ ...fault, times: Number.POSITIVE_INFINITY })
    const { delivery } = await resend(hasty, 'testWebhook', webhook.id)
    const [log] = await logged(hasty, webhook.id, ([only]) => only.attempts > 0)
    expect(log).toMatchObject({ id: delivery.id, error: expect.stringMatching(error), deliveredAt: null })
    expect(to.received.every(({ path }) => path === '/')).toBe(true)
  })

  it('counts as delivered by the status, even if the rest of the response does not arrive', async () => {
    const to = await receiver()
    const webhook = await tell(hasty, hastyProject, { url: to.url })
    to.fail({ halfAnswer: true })
    await resend(hasty, 'testWebhook', webhook.id)
    const [log] = await logged(hasty, webhook.id, delivered(1))
    expect(log).toMatchObject({ status: 'DELIVERED', attempts: 1, responseStatus: 200, responseBody: null })
  })

  it('is not sent again before the time that the receiver requests', async () => {
    const to = await receiver()
    const webhook = await tell(app, project, { url: to.url })
    to.fail({ status: 429, headers: { 'retry-after': '3600' } })
    await resend(app, 'testWebhook', webhook.id)
    const [log] = await logged(app, webhook.id, ([only]) => only.attempts > 0)
    const waitsMs = Date.parse(log.nextAttemptAt) - Date.parse(log.attemptedAt)
    expect([log.status, Math.round(waitsMs / 1_000)]).toEqual(['PENDING', 3_600])
    // Asked for, it is sent at once.
    await resend(app, 'redeliverWebhook', log.id)
    expect(await outcome(log.id)).toMatchObject({ status: 'DELIVERED' })
  })

  it('to a receiver that is gone makes the webhook inactive', async () => {
    const to = await receiver()
    const webhook = await tell(app, project, { url: to.url })
    to.fail({ status: 410 })
    expect(await ping(webhook.id)).toMatchObject({ status: 'FAILED', attempts: 1, error: expect.stringMatching(/410/) })
    const { node } = await app.request('query ($id: ID!) { node(id: $id) { ... on Webhook { active } } }', {
      id: webhook.id,
    })
    expect(node).toEqual({ active: false })
    // A test is sent all the same, to see whether it is worth activating again.
    expect(await ping(webhook.id)).toMatchObject({ status: 'DELIVERED' })
  })

  it('is sent to the current URL of the webhook, signed with its current key', async () => {
    const [old, to] = [await receiver(), await receiver()]
    const webhook = await tell(app, project, { url: old.url })
    const down = old.fail({ status: 500, headers: { 'retry-after': '3600' } })
    const { delivery } = await resend(app, 'testWebhook', webhook.id)
    await down.met
    await logged(app, webhook.id, ([only]) => only.attempts > 0)
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
    await updateWebhook(app, { id: webhook.id, url: to.url, secret })
    await resend(app, 'redeliverWebhook', delivery.id)
    await outcome(delivery.id)
    verify(secret, to.received[0]!)
    expect(old.received.length).toBe(1)
  })
})

describe('a new secret', () => {
  it('signs together with the former one for a day, so that a receiver can switch in that time', async () => {
    const to = await receiver()
    const webhook = await tell(app, project, { url: to.url })
    const [second, third] = [1, 2].map((n) => `whsec_${Buffer.alloc(24, n).toString('base64')}`) as [string, string]
    await updateWebhook(app, { id: webhook.id, secret: second })
    await ping(webhook.id)
    for (const secret of [webhook.secret, second]) verify(secret, to.received[0]!)
    await updateWebhook(app, { id: webhook.id, secret: third })
    await ping(webhook.id)
    for (const secret of [second, third]) verify(secret, to.received[1]!)
    expect(() => verify(webhook.secret, to.received[1]!)).toThrow()
    await query(app.databaseUrl, 'update webhook set former_secret_until = now() where id = $1', [webhook.databaseId])
    await ping(webhook.id)
    expect(() => verify(second, to.received[2]!)).toThrow()
    verify(third, to.received[2]!)
  })
})

describe('messages', () => {
  it('of one webhook arrive in order, one after the other', async () => {
    const to = await receiver()
    const webhook = await tell(app, project, { url: to.url })
    const ids = []
    const held = to.fail({ hold: true })
    for (let n = 0; n < 20; n++) ids.push((await resend(app, 'testWebhook', webhook.id)).delivery.messageId)
    await held.met
    expect(to.received.length).toBe(1)
    held.release()
    await logged(app, webhook.id, (log) => log.every(({ status }) => status === 'DELIVERED'))
    expect(to.received.map(({ headers }) => headers['webhook-id'])).toEqual(ids)
  })

  it('wait for a receiver that is down, and all arrive when it is back', async () => {
    const first = await startReceiver()
    await first.stop()
    const webhook = await tell(app, project, { url: first.url })
    for (let n = 0; n < 3; n++) await resend(app, 'testWebhook', webhook.id)
    await logged(app, webhook.id, (log) => log.every(({ attempts }) => attempts > 0))
    const [log] = await deliveriesOf(app, webhook.id)
    expect(log).toMatchObject({ error: 'The receiver cannot be reached: ECONNREFUSED.', responseStatus: null })
    const back = await receiver(first.port)
    await logged(app, webhook.id, (log) => log.every(({ status }) => status !== 'PENDING'))
    const failed = await deliveriesOf(app, webhook.id, 'FAILED')
    for (const { id } of failed) await resend(app, 'redeliverWebhook', id)
    await logged(app, webhook.id, (log) => log.every(({ status }) => status === 'DELIVERED'))
    expect(back.received.length).toBe(3)
  })

  it('are not delayed by receivers that hang, each of which has one at a time', async () => {
    const [hanging, to] = [await receiver(), await receiver()]
    const hang = hanging.fail({ hold: true, times: Number.POSITIVE_INFINITY })
    const slow = await Promise.all(Array.from({ length: 20 }, () => tell(app, project, { url: hanging.url })))
    const webhook = await tell(app, project, { url: to.url })
    for (const { id } of [...slow, ...slow]) await resend(app, 'testWebhook', id)
    await until(() => hanging.received.length === slow.length)
    await resend(app, 'testWebhook', webhook.id)
    await logged(app, webhook.id, delivered(1))
    expect(hanging.received.length).toBe(slow.length)
    for (const { id } of slow)
      await app.request('mutation ($id: ID!) { deleteWebhook(id: $id) { __typename } }', { id })
    hang.release()
  })
})

describe('the wait before another attempt', () => {
  it('grows fivefold, to about a day in all, with a random part', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7].map((attempts) => waitSeconds(attempts, 5))
    for (const [at, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(5 ** (at + 1))
      expect(wait).toBeLessThanOrEqual(5 ** (at + 1) * 1.2)
    }
    const hours = waits.reduce((sum, wait) => sum + wait, 0) / 3_600
    expect(hours).toBeGreaterThan(24)
    expect(hours).toBeLessThan(36)
    expect(new Set(Array.from({ length: 20 }, () => waitSeconds(3, 5))).size).toBeGreaterThan(1)
  })
})
