import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { TaskEntity } from './task.ts'

/** Ties a task to the object, or the row of an object, that it was made from. The unique indexes make any repeated import harmless. */
export const ImportLinkEntity = defineEntity({
  name: 'ImportLink',
  tableName: 'import_link',
  properties: {
    id: p.bigint('number').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').index(false),
    task: () => p.manyToOne(TaskEntity).mapToPk().deleteRule('cascade').index(),
    // Keys are bytes: "C" compares them as such, in the order in which buckets list.
    key: p.text().collation('C'),
    /** -1 when the object is one task. */
    rowGroup: p.integer().default(-1),
    /** -1 when the object is one task. */
    rowIndex: p.integer().default(-1),
    /** False once a sync has acted on a missing object or row: `missingPolicy`. */
    objectExists: p.boolean().default(true),
    /** False if the object was read to its end and no longer has this row. A whole object that became rows has none either. */
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
  // Apart, so that the objects in a range of keys are found without walking over the rows of large files among them.
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
