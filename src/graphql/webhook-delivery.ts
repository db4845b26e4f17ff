import { webhookActions } from '../entities/webhook.ts'
import { type DeliveryStatus, type WebhookDelivery, WebhookDeliveryEntity } from '../entities/webhook-delivery.ts'
import { ConflictError, NotFoundError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { redeliver, sendPing } from '../webhooks/resend.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { pageById } from './page.ts'
import { WebhookDeliveryRef, WebhookRef } from './refs.ts'

const DeliveryStatusRef = builder.enumType('WebhookDeliveryStatus', {
  description: 'State of a message to a webhook.',
  values: {
    PENDING: { description: 'Will be sent, for the first time or again.' },
    DELIVERED: { description: 'The receiver answered with a status from 200 to 299.' },
    FAILED: { description: 'Did not arrive, and is not sent again unless asked for: redeliverWebhook.' },
  } satisfies Record<DeliveryStatus, { description: string }>,
})

const MessageTypeRef = builder.enumType('WebhookMessageType', {
  description: 'What a message tells: a WebhookAction, or PING.',
  values: {
    ...(Object.fromEntries(
      webhookActions.map((action) => [action, { description: `As the WebhookAction ${action}.` }]),
    ) as Record<(typeof webhookActions)[number], { description: string }>),
    PING: { description: 'A test, from testWebhook.' },
  } satisfies Record<WebhookDelivery['action'], { description: string }>,
})

builder.node(WebhookDeliveryRef, {
  description: 'A message to a webhook and what became of it. Kept for 30 days, the newest 2,000 of a webhook.',
  id: { resolve: (delivery) => delivery.id },
  loadWithoutCache: (id, { loaders }) => loaders.webhookDelivery.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Its number.' }),
    webhook: t.field({
      type: WebhookRef,
      description: 'The webhook that it is sent to.',
      resolve: async ({ webhook }, _args, { loaders }) => (await loaders.webhook.load(webhook))!,
    }),
    messageId: t.string({
      description: 'The header `webhook-id`: the same in every attempt, by which receivers tell repeats.',
      resolve: ({ messageId }) => `msg_${messageId}`,
    }),
    type: t.expose('action', { type: MessageTypeRef, description: 'What it tells.' }),
    payload: t.field({
      type: 'JSON',
      description: 'The body.',
      resolve: ({ payload }) => parseJson(payload),
    }),
    status: t.expose('status', { type: DeliveryStatusRef, description: 'Its state.' }),
    attempts: t.exposeInt('attempts', {
      description: 'Attempts so far, at most 8; from 0 again when it is sent again.',
    }),
    nextAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it is to be sent; null = no more.',
      resolve: ({ status, nextAttemptAt }) => (status === 'PENDING' ? nextAttemptAt : null),
    }),
    attemptedAt: t.expose('attemptedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'End of the last attempt; null = none yet.',
    }),
    responseStatus: t.exposeInt('responseStatus', {
      nullable: true,
      description: 'HTTP status of the last answer; null = there was none.',
    }),
    responseBody: t.exposeString('responseBody', {
      nullable: true,
      description:
        'Beginning of the last answer, up to 4 KiB. Null if there was none, or if the receiver has an internal address.',
    }),
    error: t.exposeString('error', {
      nullable: true,
      description: 'Why the last attempt failed, in words; null = it did not.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was written.' }),
    deliveredAt: t.expose('deliveredAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it arrived; null = not yet.',
    }),
  }),
})

builder.objectField(WebhookRef, 'deliveries', (t) =>
  t.connection({
    type: WebhookDeliveryRef,
    description: 'Its messages, newest first.',
    args: { status: t.arg({ type: DeliveryStatusRef, description: 'Only messages in this state.' }) },
    resolve: (webhook, { status, ...args }, { em }) =>
      pageById(em, WebhookDeliveryEntity, { webhook: webhook.id, ...(status && { status }) }, args),
  }),
)

const delivery = { name: 'delivery', description: 'The message as it is now; ask for its node later.' }

builder.mutationFields((t) => ({
  testWebhook: t.field({
    type: WebhookDeliveryRef,
    description: 'Sends a PING to a webhook, active or not. Answers at once.',
    errors: { types: [NotFoundError], dataField: delivery },
    args: { id: t.arg.id({ required: true, description: 'Global id of the webhook.' }) },
    resolve: (_root, { id }, { webhooks }) => sendPing(webhooks, idOf('Webhook', id)),
  }),
  redeliverWebhook: t.field({
    type: WebhookDeliveryRef,
    description:
      'Sends a message again under the same id, whatever became of it, with as many attempts as a new one. Answers at once.',
    errors: { types: [NotFoundError, ConflictError], dataField: delivery },
    args: { deliveryId: t.arg.id({ required: true, description: 'Global id of the message.' }) },
    resolve: (_root, { deliveryId }, { webhooks }) => redeliver(webhooks, idOf('WebhookDelivery', deliveryId)),
  }),
}))
