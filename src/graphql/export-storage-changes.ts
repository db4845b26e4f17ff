import { exportSettings } from '../storage-settings/export.ts'
import { saveExportStorage } from '../storages/save.ts'
import { builder } from './builder.ts'
import { saveCanceling } from './cancel-running.ts'
import { idOf } from './ids.ts'
import { StorageLocationInputRef } from './location.ts'
import { ExportStorageRef } from './refs.ts'
import { settingInputs } from './settings.ts'
import {
  cancelOption,
  probeOption,
  saveErrors,
  saveOptions,
  settingsAndOptions,
  updateErrors,
} from './storage-input.ts'

const CreateExportStorageInput = builder.inputType('CreateExportStorageInput', {
  description: 'Settings of a new export storage.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    location: t.field({
      type: StorageLocationInputRef,
      required: true,
      description: 'Location to which Sluice writes objects, and the credentials for it.',
    }),
    ...settingInputs(t, exportSettings, 'CREATE'),
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
    ...settingInputs(t, exportSettings, 'UPDATE'),
    ...probeOption(t),
    ...saveOptions(t),
    ...cancelOption(t),
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
    description:
      'Changes an export storage after a connection check. While a run of the storage is queued or in progress, a change of its location, filters or method fails with ConflictError, unless `cancelRunning` is set. New secrets, and all other settings, can be saved at any time.',
    errors: updateErrors,
    args: {
      input: t.arg({ type: UpdateExportStorageInput, required: true, description: 'The storage and its changes.' }),
    },
    resolve: (_root, { input: { id, cancelRunning, ...input } }, { em, queue, storages }) =>
      saveCanceling({ em, queue }, cancelRunning, () =>
        saveExportStorage(storages, { id: idOf('ExportStorage', id) }, ...settingsAndOptions(input)),
      ),
  }),
}))
