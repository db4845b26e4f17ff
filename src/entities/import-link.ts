import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { TaskEntity } from './task.ts'

/**
 * Connects a task with the object, or the row of an object, from which it was imported. The unique indexes prevent duplicates when
 * an import is repeated.
 */
export const ImportLinkEntity = defineEntity({
  name: 'ImportLink',
  tableName: 'import_link',
  properties: {
    id: p.bigint('number').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().createForeignKeyConstraint(false).index(false),
    task: () => p.manyToOne(TaskEntity).mapToPk().createForeignKeyConstraint(false).index(),
    // "C" compares keys as bytes, which is the order in which buckets list them.
    key: p.text().collation('C'),
    /**
     * -1 if the object is one task or no Parquet file. Below -1, the row is no longer in its place; the pair with `rowIndex` is
     * unique.
     */
    rowGroup: p.integer().default(-1),
    /** -1 if the object is one task. Below -1, the row is no longer in its place. */
    rowIndex: p.integer().default(-1),
    /** False after a sync has applied `missingPolicy` to the missing object or row. */
    objectExists: p.boolean().default(true),
    /** False if the whole object was read and no longer has this row, or if an object that was one task now has rows. */
    rowExists: p.boolean().default(true),
    size: p.bigint('number').nullable(),
    etag: p.text().nullable(),
    lastModified: p.datetime().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
  indexes: [
    { properties: ['storage', 'id'] },
    { name: 'import_link_gone_index', properties: ['storage', 'id'], where: 'not object_exists' },
    { name: 'import_link_outdated_index', properties: ['storage', 'id'], where: 'not row_exists' },
  ],
  // A separate index, so that a search for the objects in a range of keys does not scan the rows of large files.
  uniques: [
    { name: 'import_link_object_unique', properties: ['storage', 'key'], where: 'row_index = -1' },
    {
      name: 'import_link_row_unique',
      properties: ['storage', 'key', 'rowGroup', 'rowIndex'],
      where: 'row_index <> -1',
    },
  ],
})

export type ImportLink = InferEntity<typeof ImportLinkEntity>
