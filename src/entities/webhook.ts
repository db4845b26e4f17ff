import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { ProjectEntity } from './project.ts'

/** The actions that a webhook can receive. */
export const webhookActions = [
  'TASKS_CREATED',
  'SYNC_STARTED',
  'SYNC_COMPLETED',
  'SYNC_FAILED',
  'SYNC_CANCELED',
  'EXPORT_FAILED',
] as const
export type WebhookAction = (typeof webhookActions)[number]

/** An address that receives the events of a project. */
export const WebhookEntity = defineEntity({
  name: 'Webhook',
  tableName: 'webhook',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').index(false),
    url: p.text(),
    /** The key that signs its messages, sealed. */
    secret: p.text(),
    /** The previous key, sealed. Null if the key was never changed. */
    formerSecret: p.text().nullable(),
    /** Until this time, messages are also signed with the previous key. */
    formerSecretUntil: p.datetime().nullable(),
    actions: p.array<WebhookAction>((text) => text as WebhookAction),
    active: p.boolean().default(true),
    /** The last event of the log that was turned into deliveries, or skipped. */
    lastEvent: p.bigint('number').default(0),
    /** End of the lease of the worker that sends to it. Null if no worker has the lease. */
    leasedUntil: p.datetime().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
  indexes: [{ properties: ['project', 'id'] }],
})

export type Webhook = InferEntity<typeof WebhookEntity>
