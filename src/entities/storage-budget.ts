import { defineEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'

/** Until when the budget of a storage with limits is reserved. All processes reserve parts of it here, see `pacing/`. */
export const StorageBudgetEntity = defineEntity({
  name: 'StorageBudget',
  tableName: 'storage_budget',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    requestsUntil: p.datetime().defaultRaw('now()'),
    bytesUntil: p.datetime().defaultRaw('now()'),
  },
})
