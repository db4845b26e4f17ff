import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { type WebhookAction, WebhookEntity } from './webhook.ts'

/** PENDING: will be sent, or sent again. The others are final. */
const deliveryStatuses = ['PENDING', 'DELIVERED', 'FAILED'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

/** One message to a webhook, and its result. */
export const WebhookDeliveryEntity = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_delivery',
  properties: {
    id: p.bigint('number').primary(),
    webhook: () => p.manyToOne(WebhookEntity).mapToPk().deleteRule('cascade').index(false),
    /** The same in each attempt, and globally unique, so that receivers can detect repeated messages. */
    messageId: p.uuid().defaultRaw('gen_random_uuid()'),
    action: p.text().$type<WebhookAction | 'PING'>(),
    /** The exact body, because the signature covers its bytes. */
    payload: p.text(),
    status: p.enum(deliveryStatuses).default('PENDING'),
    /** Number of attempts since it was created or last redelivered. */
    attempts: p.integer().default(0),
    /** Time of the next attempt, while PENDING. */
    nextAttemptAt: p.datetime().defaultRaw('now()'),
    attemptedAt: p.datetime().nullable(),
    responseStatus: p.integer().nullable(),
    /** The start of the response of the receiver. */
    responseBody: p.text().nullable(),
    error: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    deliveredAt: p.datetime().nullable(),
  },
  indexes: [
    { properties: ['webhook', 'id'] },
    { name: 'webhook_delivery_pending_index', properties: ['webhook', 'id'], where: "status = 'PENDING'" },
  ],
})

export type WebhookDelivery = InferEntity<typeof WebhookDeliveryEntity>
