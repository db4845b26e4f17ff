import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { importSettings } from '../storage-settings/import.ts'
import { checkStorage } from '../storages/candidate.ts'
import { deleteStorage } from '../storages/remove.ts'
import { saveImportStorage } from '../storages/save.ts'
import { builder } from './builder.ts'
import { saveCanceling } from './cancel-running.ts'
import { CheckStepRef } from './check-step.ts'
import { idOf, storageTypes } from './ids.ts'
import { StorageLocationInputRef } from './location.ts'
import { ImportStorageRef } from './refs.ts'
import { settingInputs } from './settings.ts'
import { StorageDirectionRef } from './storage.ts'
import {
  cancelOption,
  probeOption,
  saveErrors,
  saveOptions,
  settingsAndOptions,
  settingsOf,
  updateErrors,
} from './storage-input.ts'

const CreateImportStorageInput = builder.inputType('CreateImportStorageInput', {
  description: 'Settings of a new import storage.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    location: t.field({
      type: StorageLocationInputRef,
      required: true,
      description: 'Location of the objects, and the credentials for it.',
    }),
    ...settingInputs(t, importSettings, 'CREATE'),
    ...saveOptions(t),
  }),
})

const UpdateImportStorageInput = builder.inputType('UpdateImportStorageInput', {
  description:
    'Changes to an import storage. Absent fields keep their value, and so does null unless the field says otherwise.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the storage.' }),
    location: t.field({
      type: StorageLocationInputRef,
      description:
        'New location of the objects, with all its fields. Absent secrets keep their value. If the bucket changes, Sluice deletes the links to the old one; tasks stay.',
    }),
    ...settingInputs(t, importSettings, 'UPDATE'),
    ...saveOptions(t),
    ...cancelOption(t),
  }),
})

const CheckStorageInput = builder.inputType('CheckStorageInput', {
  description:
    'The storage to check: a saved one (id), a saved one with changes (id and settings), or a new one (projectId and settings).',
  fields: (t) => ({
    id: t.id({ description: 'Global id of a saved storage. Give either `id` or `projectId`.' }),
    projectId: t.id({ description: 'Global id of the project of a new storage.' }),
    direction: t.field({
      type: StorageDirectionRef,
      description:
        'Use of the storage. IMPORT tests reading; EXPORT writes and removes a probe object. Default: the direction of the saved storage, or IMPORT for a new one.',
    }),
    location: t.field({
      type: StorageLocationInputRef,
      description: 'Location of the objects, and the credentials for it.',
    }),
    ...settingInputs(t, importSettings, 'CHECK'),
    ...probeOption(t),
  }),
})

const StorageCheckRef = builder
  .objectRef<{ steps: Awaited<ReturnType<typeof checkStorage>> }>('StorageCheck')
  .implement({
    description: 'Result of a connection check.',
    fields: (t) => ({
      ok: t.boolean({
        description: 'Whether no step failed.',
        resolve: ({ steps }) => steps.every((step) => step.status !== 'FAILED'),
      }),
      steps: t.expose('steps', { type: [CheckStepRef], description: 'All steps, in their order.' }),
    }),
  })

builder.mutationFields((t) => ({
  createImportStorage: t.field({
    type: ImportStorageRef,
    description: 'Creates an import storage after a connection check. It imports nothing until a sync runs.',
    errors: saveErrors,
    args: { input: t.arg({ type: CreateImportStorageInput, required: true, description: 'The storage to create.' }) },
    resolve: (_root, { input: { projectId, ...input } }, { storages }) =>
      saveImportStorage(storages, { project: idOf('Project', projectId) }, ...settingsAndOptions(input)),
  }),
  updateImportStorage: t.field({
    type: ImportStorageRef,
    description:
      'Changes an import storage after a connection check. While a run of the storage is queued or in progress, a change of its location, filters or method fails with ConflictError, unless `cancelRunning` is set. While the storage has links, a change of its import method fails with ConflictError (code IMPORT_METHOD_IN_USE). New secrets, and all other settings, can be saved at any time.',
    errors: updateErrors,
    args: {
      input: t.arg({ type: UpdateImportStorageInput, required: true, description: 'The storage and its changes.' }),
    },
    resolve: (_root, { input: { id, cancelRunning, ...input } }, { em, queue, storages }) =>
      saveCanceling({ em, queue }, cancelRunning, () =>
        saveImportStorage(storages, { id: idOf('ImportStorage', id) }, ...settingsAndOptions(input)),
      ),
  }),
  checkStorage: t.field({
    extensions: { cost: 5_000 },
    type: StorageCheckRef,
    description:
      'Checks a connection step by step and saves nothing. If the connection does not work, the mutation still succeeds; its steps describe the error.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'check', description: 'Result of the check.' },
    },
    args: { input: t.arg({ type: CheckStorageInput, required: true, description: 'The storage to check.' }) },
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
    type: builder
      .objectRef<{ affectedTasks: number; pendingExports: number; dryRun: boolean }>('DeletedStorage')
      .implement({
        description: 'Effect of deleting a storage.',
        fields: (f) => ({
          affectedTasks: f.expose('affectedTasks', {
            type: 'SafeInt',
            description:
              'Number of tasks that lose their link. The tasks stay, but their URIs resolve only if another storage serves them.',
          }),
          pendingExports: f.expose('pendingExports', {
            type: 'SafeInt',
            description:
              'Number of pending exports that are lost with the storage: saved or deleted annotations (in TASK format, their tasks) that Sluice has not written to it.',
          }),
          dryRun: f.exposeBoolean('dryRun', {
            description: 'True if nothing was deleted, because the mutation ran with `dryRun`.',
          }),
        }),
      }),
    description:
      'Deletes a storage with its secrets and runs. Tasks, annotations and the objects in the bucket stay. If the same bucket is connected again, the first sync links the tasks of an import storage again. Fails with ConflictError while a run of the storage is queued or in progress, and with its code PENDING_EXPORTS while exports are pending, unless `force` is set.',
    errors: {
      types: [NotFoundError, ConflictError],
      dataField: { name: 'deletion', description: 'Effect of the deletion.' },
    },
    args: {
      id: t.arg.id({ required: true, description: 'Global id of the storage.' }),
      dryRun: t.arg.boolean({ description: 'Only report the effect and delete nothing. Default: false.' }),
      force: t.arg.boolean({
        description: 'Delete the storage even if exports are pending, and lose them. Default: false.',
      }),
    },
    resolve: async (_root, { id, dryRun, force }, { em }) => ({
      ...(await deleteStorage(em, idOf(storageTypes, id), { dryRun: dryRun ?? false, force: force ?? false })),
      dryRun: dryRun ?? false,
    }),
  }),
}))
