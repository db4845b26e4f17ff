import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { AnnotationEntity } from './annotation.ts'
import { StorageEntity } from './storage.ts'

/** Connects an annotation with the object to which it was written. */
export const ExportLinkEntity = defineEntity({
  name: 'ExportLink',
  tableName: 'export_link',
  properties: {
    id: p.bigint('number').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').index(false),
    annotation: () => p.manyToOne(AnnotationEntity).mapToPk().deleteRule('cascade').index(),
    key: p.text().collation('C'),
    objectExists: p.boolean().default(true),
    /** SHA-256 of the written bytes, in hex. */
    hash: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
  indexes: [{ properties: ['storage', 'id'] }],
  uniques: [{ properties: ['storage', 'annotation'] }],
})

export type ExportLink = InferEntity<typeof ExportLinkEntity>
