import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { ProjectEntity } from './project.ts'
import { StorageEntity } from './storage.ts'

/** Maps URLs of another tool that begin with a prefix to the objects of an import storage of the same project. */
export const UrlMappingEntity = defineEntity({
  name: 'UrlMapping',
  tableName: 'url_mapping',
  properties: {
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').primary().index(false),
    /** Compared literally, as the start of the URL. */
    prefix: p.text().collation('C').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').index(),
    /** Start of the key, before the rest of the URL. Null: the prefix of the storage. */
    keyPrefix: p.text().nullable(),
  },
})

export type UrlMapping = InferEntity<typeof UrlMappingEntity>
