import { webhookActions } from '../entities/webhook.ts'
import { type DeliveryStatus, type WebhookDelivery, WebhookDeliveryEntity } from '../entities/webhook-delivery.ts'
import { ConflictError, NotFoundError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { recordOf } from '../records.ts'
import { redeliver, sendPing } from '../webhooks/resend.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { pageById } from './page.ts'
import { WebhookDeliveryRef, WebhookRef } from './refs.ts'

const DeliveryStatusRef = builder.enumType('WebhookDeliveryStatus', {
  description: 'Status of a delivery.',
  values: {
    PENDING: { description: 'Sluice will send the message, for the first time or again.' },
    DELIVERED: { description: 'The receiver answered with a status from 200 to 299.' },
    FAILED: {
      description:
        'All attempts failed, or the receiver answered 410 Gone. Only redeliverWebhook sends the message again.',
    },
  } satisfies Record<DeliveryStatus, { description: string }>,
})

const MessageTypeRef = builder.enumType('WebhookMessageType', {
  description: 'Type of a message: a WebhookAction, or PING.',
  values: {
    ...recordOf(webhookActions, (action) => ({ description: `See WebhookAction.${action}.` })),
    PING: { description: 'A test message that testWebhook sent.' },
  } satisfies Record<WebhookDelivery['action'], { description: string }>,
})

builder.node(WebhookDeliveryRef, {
  description:
    'One message to a webhook, and the result of sending it. Sluice keeps deliveries for 30 days, and at most the newest 2,000 of a webhook.',
  id: { resolve: (delivery) => delivery.id },
  loadWithoutCache: (id, { loaders }) => loaders.webhookDelivery.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database.' }),
    webhook: t.field({
      type: WebhookRef,
      description: 'The webhook that receives the message.',
      resolve: async ({ webhook }, _args, { loaders }) => (await loaders.webhook.load(webhook))!,
    }),
    messageId: t.string({
      description:
        'Value of the header `webhook-id`. It is the same in each attempt, so that receivers can detect duplicates.',
      resolve: ({ messageId }) => `msg_${messageId}`,
    }),
    type: t.expose('action', { type: MessageTypeRef, description: 'Type of the message.' }),
    payload: t.field({
      type: 'JSON',
      description: 'Body of the message, as sent.',
      resolve: ({ payload }) => parseJson(payload),
    }),
    status: t.expose('status', { type: DeliveryStatusRef, description: 'Status of the delivery.' }),
    attempts: t.exposeInt('attempts', {
      description: 'Number of attempts up to now, at most 8. redeliverWebhook sets it back to 0.',
    }),
    nextAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the next attempt is due. Null if the status is not PENDING.',
      resolve: ({ status, nextAttemptAt }) => (status === 'PENDING' ? nextAttemptAt : null),
    }),
    attemptedAt: t.expose('attemptedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the last attempt ended. Null before the first attempt.',
    }),
    responseStatus: t.exposeInt('responseStatus', {
      nullable: true,
      description: 'HTTP status of the last response. Null if the receiver did not respond.',
    }),
    responseBody: t.exposeString('responseBody', {
      nullable: true,
      description:
        'First 4 KiB of the body of the last response. Null if the receiver did not respond, or has an internal address.',
    }),
    error: t.exposeString('error', {
      nullable: true,
      description: 'Why the last attempt failed, as text for people. Null if it did not fail.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When Sluice created the message.' }),
    deliveredAt: t.expose('deliveredAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the receiver accepted the message. Null if it has not.',
    }),
  }),
})

builder.objectField(WebhookRef, 'deliveries', (t) =>
  t.connection({
    type: WebhookDeliveryRef,
    description: 'Deliveries of the webhook, newest first.',
    args: {
      status: t.arg({
        type: DeliveryStatusRef,
        description: 'Only deliveries with this status. Default: every status.',
      }),
    },
    resolve: (webhook, { status, ...args }, { em }) =>
      pageById(em, WebhookDeliveryEntity, { webhook: webhook.id, ...(status && { status }) }, args),
  }),
)

const delivery = { name: 'delivery', description: 'The delivery after the request. Query its node to see the result.' }

builder.mutationFields((t) => ({
  testWebhook: t.field({
    type: WebhookDeliveryRef,
    description: 'Queues a PING to a webhook, even if it is inactive, and returns without waiting for the delivery.',
    errors: { types: [NotFoundError], dataField: delivery },
    args: { id: t.arg.id({ required: true, description: 'Global id of the webhook.' }) },
    resolve: (_root, { id }, { webhooks }) => sendPing(webhooks, idOf('Webhook', id)),
  }),
  redeliverWebhook: t.field({
    type: WebhookDeliveryRef,
    description:
      'Queues a message again, whatever its status, with the same `webhook-id` and up to 8 new attempts. Returns without waiting for the delivery. Fails with ConflictError if the webhook is inactive, except for a PING.',
    errors: { types: [NotFoundError, ConflictError], dataField: delivery },
    args: { deliveryId: t.arg.id({ required: true, description: 'Global id of the delivery.' }) },
    resolve: (_root, { deliveryId }, { webhooks }) => redeliver(webhooks, idOf('WebhookDelivery', deliveryId)),
  }),
}))
