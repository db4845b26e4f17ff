import { type ProviderName, providers } from '../providers/registry.ts'
import { formatUri } from '../providers/uri.ts'
import { builder } from './builder.ts'
import { ImportLinkRef, TaskRef } from './refs.ts'

builder.node(ImportLinkRef, {
  description: 'Ties a task to the object, or the row of an object, that it was made from.',
  id: { resolve: (link) => link.id },
  loadWithoutCache: (id, { loaders }) => loaders.importLink.load(Number(id)),
  fields: (t) => ({
    task: t.field({
      type: TaskRef,
      description: 'The task.',
      resolve: async (link, _args, { loaders }) => (await loaders.task.load(link.task))!,
    }),
    key: t.exposeString('key', { description: 'Key of the object, exactly as stored.' }),
    uri: t.string({
      description: 'URI of the object.',
      resolve: async (link, _args, { loaders }) => {
        const storage = (await loaders.storage.load(link.storage))!
        const kind = providers[storage.provider as ProviderName]
        return formatUri({ scheme: kind.uriScheme, bucket: kind.place(storage.location).bucket, key: link.key })
      },
    }),
    rowGroup: t.int({
      nullable: true,
      description: 'Row group inside a Parquet object, from 0; null = it is none.',
      resolve: (link) => (link.rowGroup < 0 ? null : link.rowGroup),
    }),
    rowIndex: t.int({
      nullable: true,
      description: 'Row inside the object, or inside its row group, from 0; null = the object is one task.',
      resolve: (link) => (link.rowIndex < 0 ? null : link.rowIndex),
    }),
    size: t.expose('size', {
      type: 'SafeInt',
      nullable: true,
      description: 'Bytes of the object when it was imported; null = unknown.',
    }),
    etag: t.exposeString('etag', {
      nullable: true,
      description: 'Opaque version of the object when it was imported; null = unknown.',
    }),
    lastModified: t.expose('lastModified', {
      type: 'DateTime',
      nullable: true,
      description: 'When the object had last been changed when it was imported; null = unknown.',
    }),
    objectExists: t.exposeBoolean('objectExists', {
      description: 'Whether the last complete sync has found the object.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was imported.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})
