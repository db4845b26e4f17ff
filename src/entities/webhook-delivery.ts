import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { type WebhookAction, WebhookEntity } from './webhook.ts'

/** PENDING: will be sent, again if need be. The others are final. */
const deliveryStatuses = ['PENDING', 'DELIVERED', 'FAILED'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

/** One message to a webhook and what became of it. */
export const WebhookDeliveryEntity = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_delivery',
  properties: {
    id: p.bigint('number').primary(),
    webhook: () => p.manyToOne(WebhookEntity).mapToPk().deleteRule('cascade').index(false),
    /** The same in every attempt, and unlike that of any other message anywhere: receivers tell repeats by it. */
    messageId: p.uuid().defaultRaw('gen_random_uuid()'),
    action: p.text().$type<WebhookAction | 'PING'>(),
    /** The body, to the byte: what is signed must be what is sent. */
    payload: p.text(),
    status: p.enum(deliveryStatuses).default('PENDING'),
    /** Attempts that were made, since it was last asked for. */
    attempts: p.integer().default(0),
    /** When the next attempt is due, while PENDING. */
    nextAttemptAt: p.datetime().defaultRaw('now()'),
    attemptedAt: p.datetime().nullable(),
    responseStatus: p.integer().nullable(),
    /** The beginning of what the receiver answered. */
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
