import { defineEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { WebhookEntity } from './webhook.ts'

/** How far the tasks of a storage are announced to a webhook; no row = none is. */
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
