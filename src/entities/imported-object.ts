import { defineEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'

/**
 * An object with several rows, of which at least one was imported. `rows` is null until the whole object was imported without
 * an issue, and again after one of its tasks was deleted. The next sync then reads the object again and imports the rest.
 */
export const ImportedObjectEntity = defineEntity({
  name: 'ImportedObject',
  tableName: 'imported_object',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    key: p.text().collation('C').primary(),
    rows: p.bigint('number').nullable(),
    /** The run that imported the whole object. No foreign key, because the runs of a storage are deleted with it. */
    finishedBy: p.bigint('number').nullable(),
    size: p.bigint('number').nullable(),
    etag: p.text().nullable(),
    lastModified: p.datetime().nullable(),
    objectExists: p.boolean().default(true),
  },
})
