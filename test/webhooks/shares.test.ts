import { startTestApp, type TestApp } from '@sluice/testkit/app.ts'
import { type Receiver, startReceiver } from '@sluice/testkit/receiver.ts'
import { createProject } from '@sluice/testkit/scenario.ts'
import { until } from '@sluice/testkit/sql.ts'
import { delivered, logged, resend, tell } from '@sluice/testkit/webhooks.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const hanging = 100

describe('webhooks of two projects', () => {
  let app: TestApp
  let silent: Receiver
  let kind: Receiver
  beforeAll(async () => {
    app = await startTestApp({ WEBHOOK_TIMEOUT: '60' })
    ;[silent, kind] = [await startReceiver(), await startReceiver()]
  })
  afterAll(async () => {
    await Promise.all([silent?.stop(), kind?.stop()])
    await app?.stop()
  })

  it('100 hanging receivers of one project use only its own slots; the message of the other project is delivered', async () => {
    const held = silent.fail({ hold: true, times: Number.POSITIVE_INFINITY })
    const hostile = await createProject(app)
    const webhooks = await Promise.all(
      Array.from({ length: hanging }, () => tell(app, hostile, { url: silent.url, actions: ['SYNC_STARTED'] })),
    )
    await Promise.all(webhooks.map(({ id }) => resend(app, 'testWebhook', id)))
    await until(() => held.hits === 32)
    const other = await tell(app, await createProject(app), { url: kind.url, actions: ['SYNC_STARTED'] })
    await resend(app, 'testWebhook', other.id)
    expect(await logged(app, other.id, delivered(1))).toMatchObject([{ status: 'DELIVERED', attempts: 1 }])
    expect(held.hits).toBe(32)
    // None of those that waited for a place is lost.
    held.release()
    await until(() => new Set(silent.received.map(({ message }) => message.data.webhookId)).size === hanging)
    for (const { id } of webhooks) await logged(app, id, delivered(1))
  })
})
