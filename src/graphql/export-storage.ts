import { ExportLinkEntity } from '../entities/export-link.ts'
import type { exportFormats } from '../entities/storage.ts'
import { builder } from './builder.ts'
import { pageById } from './page.ts'
import { AnnotationRef, ExportLinkRef, ExportStorageRef, StorageRef } from './refs.ts'
import { ofDirection } from './storage.ts'

export const ExportFormatRef = builder.enumType('ExportFormat', {
  description: 'What an object of an export storage holds.',
  values: {
    ANNOTATION: { description: 'One annotation, with its task.' },
    TASK: { description: 'One task, with all its annotations; written anew when one of them changes.' },
  } satisfies Record<(typeof exportFormats)[number], { description: string }>,
})

builder.node(ExportStorageRef, {
  description: 'A storage that annotations go to.',
  interfaces: [StorageRef],
  id: { resolve: (storage) => storage.id },
  loadWithoutCache: async (id, { loaders }) => ofDirection('EXPORT', await loaders.storage.load(Number(id))),
  fields: (t) => ({
    exportFormat: t.expose('exportFormat', { type: ExportFormatRef, description: 'What an object holds.' }),
    nameTemplate: t.exposeString('nameTemplate', {
      nullable: true,
      description:
        'What objects are named below the prefix; null = {annotationId}.json, or {taskId}.json in TASK format.',
    }),
    autoExport: t.exposeBoolean('autoExport', {
      description: 'Whether an annotation is exported as soon as it is saved, without a sync.',
    }),
    canDeleteObjects: t.exposeBoolean('canDeleteObjects', {
      description: 'Whether an object goes when its annotation is deleted; otherwise nothing is ever removed.',
    }),
    pendingExports: t.field({
      type: 'SafeInt',
      description:
        'Annotations, or in TASK format tasks, that were saved or deleted and are not written or removed yet.',
      resolve: async (storage, _args, { loaders }) => (await loaders.pendingExports.load(storage.id)).count,
    }),
    pendingFailure: t.string({
      nullable: true,
      description:
        'Why what is pending could not be written, in words; it is tried again by itself. Null = nothing has failed.',
      resolve: async (storage, _args, { loaders }) => (await loaders.pendingExports.load(storage.id)).failure,
    }),
    links: t.connection({
      type: ExportLinkRef,
      description: 'Which annotation is in which object, newest first.',
      resolve: (storage, args, { em }) => pageById(em, ExportLinkEntity, { storage: storage.id }, args),
    }),
  }),
})

builder.node(ExportLinkRef, {
  description: 'Ties an annotation to the object that it was written to.',
  id: { resolve: (link) => link.id },
  loadWithoutCache: (id, { loaders }) => loaders.exportLink.load(Number(id)),
  fields: (t) => ({
    annotation: t.field({
      type: AnnotationRef,
      description: 'The annotation.',
      resolve: async (link, _args, { loaders }) => (await loaders.annotation.load(link.annotation))!,
    }),
    key: t.exposeString('key', { description: 'Key of the object, exactly as stored.' }),
    objectExists: t.exposeBoolean('objectExists', { description: 'Whether the object is there, as far as is known.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was first written.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last written.' }),
  }),
})
