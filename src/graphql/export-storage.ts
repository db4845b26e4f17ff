import { ExportLinkEntity } from '../entities/export-link.ts'
import { builder } from './builder.ts'
import { pageById } from './page.ts'
import { AnnotationRef, ExportLinkRef, ExportStorageRef, StorageRef } from './refs.ts'
import { settingOutputs } from './settings.ts'
import { ofDirection } from './storage.ts'

builder.node(ExportStorageRef, {
  description: 'A storage that receives annotations.',
  interfaces: [StorageRef],
  id: { resolve: (storage) => storage.id },
  loadWithoutCache: async (id, { loaders }) => ofDirection('EXPORT', await loaders.storage.load(Number(id))),
  fields: (t) => ({
    ...Object.fromEntries(settingOutputs.EXPORT.map(({ name, options }) => [name, t.field(options)])),
    pendingExports: t.field({
      type: 'SafeInt',
      description:
        'Number of changes that Sluice has not written to the storage yet: saved or deleted annotations, or, in TASK format, their tasks.',
      resolve: async (storage, _args, { loaders }) => (await loaders.pendingExports.load(storage.id)).count,
    }),
    pendingSince: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the oldest change was made that Sluice has not written to the storage yet. Null if none is pending.',
      resolve: async (storage, _args, { loaders }) => (await loaders.pendingExports.load(storage.id)).since,
    }),
    pendingFailure: t.string({
      nullable: true,
      description:
        'Why the last attempt to write a pending export failed, as text for people. Sluice retries at least every 30 seconds. Null if none failed.',
      resolve: async (storage, _args, { loaders }) => (await loaders.pendingExports.load(storage.id)).failure,
    }),
    links: t.connection({
      type: ExportLinkRef,
      description: 'Links between annotations and the objects that they were written to, newest first.',
      resolve: (storage, args, { em }) => pageById(em, ExportLinkEntity, { storage: storage.id }, args),
    }),
  }),
})

builder.node(ExportLinkRef, {
  description: 'Connects an annotation with the object that it was written to.',
  id: { resolve: (link) => link.id },
  loadWithoutCache: (id, { loaders }) => loaders.exportLink.load(Number(id)),
  fields: (t) => ({
    annotation: t.field({
      type: AnnotationRef,
      description: 'The exported annotation.',
      resolve: async (link, _args, { loaders }) => (await loaders.annotation.load(link.annotation))!,
    }),
    key: t.exposeString('key', { description: 'Key of the object, exactly as in the storage.' }),
    objectExists: t.exposeBoolean('objectExists', {
      description:
        'Whether the object exists, as of the last write. Sluice does not notice objects that other programs remove.',
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'When Sluice first wrote the annotation to this storage.',
    }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When Sluice last wrote the annotation to this storage.',
    }),
  }),
})
