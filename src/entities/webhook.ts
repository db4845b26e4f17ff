import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { ProjectEntity } from './project.ts'

/** What a webhook can be told of. */
export const webhookActions = [
  'TASKS_CREATED',
  'SYNC_STARTED',
  'SYNC_COMPLETED',
  'SYNC_FAILED',
  'SYNC_CANCELED',
] as const
export type WebhookAction = (typeof webhookActions)[number]

/** An address of a project that is told what happens in it. */
export const WebhookEntity = defineEntity({
  name: 'Webhook',
  tableName: 'webhook',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').index(false),
    url: p.text(),
    /** The key of its signatures, sealed. */
    secret: p.text(),
    /** The key before the last change, sealed; null = it was never changed. */
    formerSecret: p.text().nullable(),
    /** Until when messages are signed with the former key, too. */
    formerSecretUntil: p.datetime().nullable(),
    actions: p.array<WebhookAction>((text) => text as WebhookAction),
    active: p.boolean().default(true),
    /** The last event of the log that was turned into deliveries, or was not to be. */
    lastEvent: p.bigint('number').default(0),
    /** Until when one worker alone sends to it; null = nobody does. */
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
