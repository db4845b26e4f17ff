import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'

/**
 * An object of several rows that was imported to its end without a fault. It counts as imported for as long as that many
 * links exist; with fewer (a task was deleted, a row failed) the next sync reads it again and continues it.
 */
export const ImportedObjectEntity = defineEntity({
  name: 'ImportedObject',
  tableName: 'imported_object',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    key: p.text().collation('C').primary(),
    rows: p.bigint('number'),
  },
})

export type ImportedObject = InferEntity<typeof ImportedObjectEntity>
