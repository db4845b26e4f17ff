import { saveExportStorage } from '../storages/save.ts'
import { builder } from './builder.ts'
import { ExportFormatRef } from './export-storage.ts'
import { idOf } from './ids.ts'
import { StorageLocationInputRef } from './location.ts'
import { ExportStorageRef } from './refs.ts'
import { type InputFields, probeOption, saveErrors, saveOptions, settingsAndOptions } from './storage-input.ts'

const nameTemplateDescription =
  'Template for the name of an object below the prefix, at most 500 characters besides its fields: {projectId}, {taskId}, {innerId}, {annotationId} (not in TASK format) and {sourceStem} (name of the object that the task was imported from, without extension). Two objects must never get the same name. '

const exportSettings = (t: InputFields) => ({
  title: t.string({ description: 'Name of the storage, for people. Null clears the name.' }),
  description: t.string({ description: 'Notes for people. Null clears the notes.' }),
  autoExport: t.boolean({
    description: 'Whether Sluice exports an annotation as soon as a client saves it, without a sync. Default: true.',
  }),
  canDeleteObjects: t.boolean({
    description:
      'Whether Sluice removes the object of a deleted annotation. If false, Sluice never removes objects. Default: false.',
  }),
})

const CreateExportStorageInput = builder.inputType('CreateExportStorageInput', {
  description: 'Settings of a new export storage.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    location: t.field({
      type: StorageLocationInputRef,
      required: true,
      description: 'Location to which Sluice writes objects, and the credentials for it.',
    }),
    exportFormat: t.field({
      type: ExportFormatRef,
      description: 'Content of an object. It cannot be changed later. Default: ANNOTATION.',
    }),
    nameTemplate: t.string({
      description: `${nameTemplateDescription}Default: {annotationId}.json, or {taskId}.json in TASK format.`,
    }),
    ...exportSettings(t),
    ...probeOption(t),
    ...saveOptions(t),
  }),
})

const UpdateExportStorageInput = builder.inputType('UpdateExportStorageInput', {
  description:
    'Changes to an export storage. Absent fields keep their value, and so does null unless the field says otherwise. The export format cannot be changed.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the storage.' }),
    location: t.field({
      type: StorageLocationInputRef,
      description:
        'New location of the objects, with all its fields. Absent secrets keep their value. If the bucket changes, Sluice deletes the links to the old one.',
    }),
    nameTemplate: t.string({
      description: `${nameTemplateDescription}Objects with names of an older template stay. Null: {annotationId}.json, or {taskId}.json in TASK format.`,
    }),
    ...exportSettings(t),
    ...probeOption(t),
    ...saveOptions(t),
  }),
})

builder.mutationFields((t) => ({
  createExportStorage: t.field({
    type: ExportStorageRef,
    description: 'Creates an export storage after a connection check.',
    errors: saveErrors,
    args: { input: t.arg({ type: CreateExportStorageInput, required: true, description: 'The storage to create.' }) },
    resolve: (_root, { input: { projectId, ...input } }, { storages }) =>
      saveExportStorage(storages, { project: idOf('Project', projectId) }, ...settingsAndOptions(input)),
  }),
  updateExportStorage: t.field({
    type: ExportStorageRef,
    description: 'Changes an export storage after a connection check.',
    errors: saveErrors,
    args: {
      input: t.arg({ type: UpdateExportStorageInput, required: true, description: 'The storage and its changes.' }),
    },
    resolve: (_root, { input: { id, ...input } }, { storages }) =>
      saveExportStorage(storages, { id: idOf('ExportStorage', id) }, ...settingsAndOptions(input)),
  }),
}))
