import { defineEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { WebhookEntity } from './webhook.ts'

/** Position up to which the tasks of a storage were announced to a webhook. Without a row, no task was announced. */
export const WebhookCursorEntity = defineEntity({
  name: 'WebhookCursor',
  tableName: 'webhook_cursor',
  properties: {
    webhook: () => p.manyToOne(WebhookEntity).mapToPk().deleteRule('cascade').primary().index(false),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(),
    /** The last import link whose task was announced. */
    lastLink: p.bigint('number'),
  },
})
