import type { ImportLink } from '../entities/import-link.ts'
import { uriIn } from '../resolve/pick.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { ImportLinkRef, TaskRef } from './refs.ts'

builder.node(ImportLinkRef, {
  description: 'Connects a task with the object, or the row of an object, that it was imported from.',
  id: { resolve: (link) => link.id },
  loadWithoutCache: (id, { loaders }) => loaders.importLink.load(Number(id)),
  fields: (t) => ({
    task: t.field({
      type: TaskRef,
      description: 'The imported task.',
      resolve: async (link, _args, { loaders }) => (await loaders.task.load(link.task))!,
    }),
    key: t.exposeString('key', { description: 'Key of the object, exactly as in the storage.' }),
    uri: t.string({
      description: 'URI of the object, such as s3://bucket/key.',
      resolve: (link, _args, { loaders }) => uriOfLink(loaders, link),
    }),
    rowGroup: t.int({
      nullable: true,
      description: 'Number of the row group in a Parquet file, starting at 0. Null for other objects.',
      resolve: (link) => (link.rowGroup < 0 ? null : link.rowGroup),
    }),
    rowIndex: t.int({
      nullable: true,
      description:
        'Number of the row in the object, or in its row group, starting at 0. Null if the object is a single task, or the row is no longer in it.',
      resolve: (link) => (link.rowIndex < 0 ? null : link.rowIndex),
    }),
    size: t.expose('size', {
      type: 'SafeInt',
      nullable: true,
      description: 'Size of the object at the time of the import, in bytes. Null if unknown.',
    }),
    etag: t.exposeString('etag', {
      nullable: true,
      description: 'Etag of the object at the time of the import. Null if unknown.',
    }),
    lastModified: t.expose('lastModified', {
      type: 'DateTime',
      nullable: true,
      description: 'Modification time of the object at the time of the import. Null if unknown.',
    }),
    objectExists: t.exposeBoolean('objectExists', {
      description: 'Whether the last complete sync found the object, and the row in it.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When Sluice imported the object or row.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the link last changed.' }),
  }),
})

/** The URI of the object that a link names. */
export async function uriOfLink(loaders: Context['loaders'], link: ImportLink): Promise<string> {
  return uriIn((await loaders.storage.load(link.storage))!, link.key)
}
