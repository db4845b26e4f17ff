import { defineEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'

/**
 * An object of several rows, of which at least one was imported: what its links have in common. `rows` is null until it was
 * imported to its end without a fault, and again when one of its tasks is deleted: then the next sync reads it again and
 * continues it.
 */
export const ImportedObjectEntity = defineEntity({
  name: 'ImportedObject',
  tableName: 'imported_object',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    key: p.text().collation('C').primary(),
    rows: p.bigint('number').nullable(),
    /** The run that imported it to its end. No foreign key: runs of a storage go with it. */
    finishedBy: p.bigint('number').nullable(),
    size: p.bigint('number').nullable(),
    etag: p.text().nullable(),
    lastModified: p.datetime().nullable(),
    objectExists: p.boolean().default(true),
  },
})
