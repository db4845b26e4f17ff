import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { checkStorage } from '../storages/candidate.ts'
import { deleteStorage } from '../storages/remove.ts'
import { saveImportStorage } from '../storages/save.ts'
import { builder } from './builder.ts'
import { CheckStepRef } from './check-step.ts'
import { idOf, storageTypes } from './ids.ts'
import { importSettings } from './import-settings.ts'
import { StorageLocationInputRef } from './location.ts'
import { ImportStorageRef } from './refs.ts'
import { ImportMethodRef, StorageDirectionRef } from './storage.ts'
import { probeOption, saveErrors, saveOptions, settingsAndOptions, settingsOf } from './storage-input.ts'

const fieldsOfSettings = {
  title: 'Name for people.',
  description: 'Notes for people.',
  regexFilter: 'Only keys that match from their start (RE2 syntax) are imported. Default: every key.',
  importMethod: 'What an object is. Default: FILES.',
  recursive: 'Whether folders below the prefix are imported, too. Default: true.',
  presign: 'Whether links redirect to signed URLs of the storage. Default: true.',
  presignTtlMinutes: 'Minutes that a signed URL is valid, from 1 to 10080. Default: 15.',
}

const CreateImportStorageInput = builder.inputType('CreateImportStorageInput', {
  description: 'A new import storage.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    location: t.field({ type: StorageLocationInputRef, required: true, description: 'Where the objects are.' }),
    title: t.string({ description: fieldsOfSettings.title }),
    description: t.string({ description: fieldsOfSettings.description }),
    importMethod: t.field({ type: ImportMethodRef, description: fieldsOfSettings.importMethod }),
    regexFilter: t.string({ description: fieldsOfSettings.regexFilter }),
    recursive: t.boolean({ description: fieldsOfSettings.recursive }),
    presign: t.boolean({ description: fieldsOfSettings.presign }),
    presignTtlMinutes: t.int({ description: fieldsOfSettings.presignTtlMinutes }),
    ...importSettings(t),
    ...saveOptions(t),
  }),
})

const UpdateImportStorageInput = builder.inputType('UpdateImportStorageInput', {
  description: 'Changes to an import storage; what is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the storage.' }),
    location: t.field({
      type: StorageLocationInputRef,
      description:
        'Where the objects are: replaces the old place; secrets that are absent stay. Links to another bucket are dropped; tasks stay.',
    }),
    title: t.string({ description: fieldsOfSettings.title }),
    description: t.string({ description: fieldsOfSettings.description }),
    importMethod: t.field({ type: ImportMethodRef, description: 'What an object is.' }),
    regexFilter: t.string({ description: 'Only keys that match from their start (RE2 syntax); null: every key.' }),
    recursive: t.boolean({ description: 'Whether folders below the prefix are imported, too.' }),
    presign: t.boolean({ description: 'Whether links redirect to signed URLs of the storage.' }),
    presignTtlMinutes: t.int({ description: 'Minutes that a signed URL is valid, from 1 to 10080.' }),
    ...importSettings(t),
    ...saveOptions(t),
  }),
})

const CheckStorageInput = builder.inputType('CheckStorageInput', {
  description: 'A stored storage (id), one with changes (id and settings), or a candidate (projectId and settings).',
  fields: (t) => ({
    id: t.id({ description: 'Global id of a stored storage.' }),
    projectId: t.id({ description: 'Global id of the project that a candidate is meant for.' }),
    direction: t.field({
      type: StorageDirectionRef,
      description:
        'What the place is meant for. IMPORT is read; to EXPORT an object is written and removed. Default: that of the stored storage, and IMPORT for a candidate.',
    }),
    location: t.field({ type: StorageLocationInputRef, description: 'Where the objects are.' }),
    importMethod: t.field({ type: ImportMethodRef, description: 'What an object is.' }),
    regexFilter: t.string({ description: 'Only keys that match from their start (RE2 syntax).' }),
    recursive: t.boolean({ description: 'Whether folders below the prefix count, too.' }),
    ...importSettings(t),
    presign: t.boolean({ description: 'Whether a signed URL is tried.' }),
    ...probeOption(t),
  }),
})

const StorageCheckRef = builder
  .objectRef<{ steps: Awaited<ReturnType<typeof checkStorage>> }>('StorageCheck')
  .implement({
    description: 'The outcome of a connection check.',
    fields: (t) => ({
      ok: t.boolean({
        description: 'Whether every step that was needed worked.',
        resolve: ({ steps }) => steps.every((step) => step.status !== 'FAILED'),
      }),
      steps: t.expose('steps', { type: [CheckStepRef], description: 'All steps, in order.' }),
    }),
  })

builder.mutationFields((t) => ({
  createImportStorage: t.field({
    type: ImportStorageRef,
    description: 'Connects a place that tasks come from, after checking that it works.',
    errors: saveErrors,
    args: { input: t.arg({ type: CreateImportStorageInput, required: true, description: 'The storage.' }) },
    resolve: (_root, { input: { projectId, ...input } }, { storages }) =>
      saveImportStorage(storages, { project: idOf('Project', projectId) }, ...settingsAndOptions(input)),
  }),
  updateImportStorage: t.field({
    type: ImportStorageRef,
    description: 'Changes an import storage, after checking that it still works.',
    errors: saveErrors,
    args: { input: t.arg({ type: UpdateImportStorageInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input: { id, ...input } }, { storages }) =>
      saveImportStorage(storages, { id: idOf('ImportStorage', id) }, ...settingsAndOptions(input)),
  }),
  checkStorage: t.field({
    extensions: { cost: 5_000 },
    type: StorageCheckRef,
    description:
      'Tries a connection step by step. Stores nothing. A connection that does not work is a result, not an error.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'check', description: 'What the check found.' },
    },
    args: { input: t.arg({ type: CheckStorageInput, required: true, description: 'What to try.' }) },
    resolve: async (_root, { input: { id, projectId, direction, ...settings } }, { storages }) => {
      if (!id === !projectId) {
        throw new ValidationError([{ path: 'input', message: 'name either id or projectId' }])
      }
      const target = id ? { id: idOf(storageTypes, id) } : { project: idOf('Project', projectId!) }
      return { steps: await checkStorage(storages, target, { ...settingsOf(settings), direction }) }
    },
  }),
  deleteStorage: t.field({
    extensions: { maxSeconds: 3_600 },
    type: builder.objectRef<{ affectedTasks: number; dryRun: boolean }>('DeletedStorage').implement({
      description: 'What deleting a storage did, or would do.',
      fields: (f) => ({
        affectedTasks: f.expose('affectedTasks', {
          type: 'SafeInt',
          description:
            'Tasks that lose their link; they stay, but their URIs resolve only if another storage serves them.',
        }),
        dryRun: f.exposeBoolean('dryRun', { description: 'Whether it was only a question.' }),
      }),
    }),
    description:
      'Disconnects a storage. Its tasks stay, nothing in the bucket is touched, and what waits to be exported to it is dropped.',
    errors: {
      types: [NotFoundError, ConflictError],
      dataField: { name: 'deletion', description: 'What was done, or would be.' },
    },
    args: {
      id: t.arg.id({ required: true, description: 'Global id of the storage.' }),
      dryRun: t.arg.boolean({ description: 'Only say what would happen.' }),
    },
    resolve: async (_root, { id, dryRun }, { em }) => ({
      ...(await deleteStorage(em, idOf(storageTypes, id), dryRun ?? false)),
      dryRun: dryRun ?? false,
    }),
  }),
}))
