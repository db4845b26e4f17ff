import { saveExportStorage } from '../storages/save.ts'
import { builder } from './builder.ts'
import { ExportFormatRef } from './export-storage.ts'
import { idOf } from './ids.ts'
import { StorageLocationInputRef } from './location.ts'
import { ExportStorageRef } from './refs.ts'
import { type InputFields, probeOption, saveErrors, saveOptions, settingsAndOptions } from './storage-input.ts'

const nameTemplateWords =
  'What objects are named below the prefix: text with {projectId}, {taskId}, {innerId}, {annotationId}, {sourceStem} (name of the object that the task came from, without its extension). '

const exportSettings = (t: InputFields) => ({
  title: t.string({ description: 'Name for people.' }),
  description: t.string({ description: 'Notes for people.' }),
  autoExport: t.boolean({
    description: 'Whether an annotation is exported as soon as it is saved, without a sync. Default: true.',
  }),
  canDeleteObjects: t.boolean({
    description: 'Whether an object goes when its annotation is deleted. Default: false, nothing is ever removed.',
  }),
})

const CreateExportStorageInput = builder.inputType('CreateExportStorageInput', {
  description: 'A new export storage.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    location: t.field({ type: StorageLocationInputRef, required: true, description: 'Where the objects go.' }),
    exportFormat: t.field({ type: ExportFormatRef, description: 'What an object holds. Default: ANNOTATION.' }),
    nameTemplate: t.string({
      description: `${nameTemplateWords}Default: {annotationId}.json, or {taskId}.json in TASK format.`,
    }),
    ...exportSettings(t),
    ...probeOption(t),
    ...saveOptions(t),
  }),
})

const UpdateExportStorageInput = builder.inputType('UpdateExportStorageInput', {
  description: 'Changes to an export storage; what is absent stays. Its format cannot be changed.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the storage.' }),
    location: t.field({
      type: StorageLocationInputRef,
      description:
        'Where the objects go: replaces the old place; secrets that are absent stay. Links to another bucket are dropped.',
    }),
    nameTemplate: t.string({
      description: `${nameTemplateWords}For what is written from now on: objects under old names stay. Null: by id.`,
    }),
    ...exportSettings(t),
    ...probeOption(t),
    ...saveOptions(t),
  }),
})

builder.mutationFields((t) => ({
  createExportStorage: t.field({
    type: ExportStorageRef,
    description: 'Connects a place that annotations go to, after checking that it works.',
    errors: saveErrors,
    args: { input: t.arg({ type: CreateExportStorageInput, required: true, description: 'The storage.' }) },
    resolve: (_root, { input: { projectId, ...input } }, { storages }) =>
      saveExportStorage(storages, { project: idOf('Project', projectId) }, ...settingsAndOptions(input)),
  }),
  updateExportStorage: t.field({
    type: ExportStorageRef,
    description: 'Changes an export storage, after checking that it still works.',
    errors: saveErrors,
    args: { input: t.arg({ type: UpdateExportStorageInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input: { id, ...input } }, { storages }) =>
      saveExportStorage(storages, { id: idOf('ExportStorage', id) }, ...settingsAndOptions(input)),
  }),
}))
