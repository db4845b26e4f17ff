import type { exportScopes } from '../entities/sync-run.ts'
import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { cancelSync, startChosen, startImportOfKeys, startRelocation, startRetry, startSync } from '../runs/start.ts'
import { builder } from './builder.ts'
import { idOf, storageTypes } from './ids.ts'
import { SyncRunRef } from './refs.ts'

export const ExportScopeRef = builder.enumType('ExportScope', {
  description: 'Which annotations an export includes.',
  values: {
    ALL: { description: 'All annotations of the project, including those that skip a task.' },
    NEW: { description: 'Annotations that Sluice has not written to this storage yet.' },
  } satisfies Record<(typeof exportScopes)[number], { description: string }>,
})

export const skipUnchangedDescription =
  'Whether the export skips objects whose name and content equal those of their last write. Not allowed for import storages. Default: false.'

const SyncStorageInput = builder.inputType('SyncStorageInput', {
  description: 'The storage to sync, and how.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the storage.' }),
    exportScope: t.field({
      type: ExportScopeRef,
      description: 'Which annotations an export includes. Not allowed for import storages. Default: ALL.',
    }),
    skipUnchanged: t.boolean({ description: skipUnchangedDescription }),
    dryRun: t.boolean({
      description:
        'Only count what an import would do. The run has the counters and issues of a real sync and changes nothing else, not even the status of the storage. Not allowed for export storages. Default: false.',
    }),
  }),
})

const ExportAnnotationsInput = builder.inputType('ExportAnnotationsInput', {
  description: 'The annotations to export, and where to.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the export storage.' }),
    annotationIds: t.idList({
      required: true,
      description: 'Global ids of the annotations, at most 10,000. In TASK format, the run exports their tasks.',
    }),
    skipUnchanged: t.boolean({ description: skipUnchangedDescription }),
  }),
})

const ImportObjectsInput = builder.inputType('ImportObjectsInput', {
  description: 'The objects to import, and from where.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the import storage.' }),
    keys: t.stringList({
      required: true,
      description:
        'Full keys of the objects, with the prefix of the storage: 1 to 10,000 distinct keys. A key that occurs twice counts once.',
    }),
  }),
})

const RelocateLinksInput = builder.inputType('RelocateLinksInput', {
  description: 'The import storage, and the prefixes.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the import storage.' }),
    from: t.string({
      required: true,
      description:
        'What the former keys start with, such as `raw/`. Full keys, with the prefix of the storage. Empty: all keys.',
    }),
    to: t.string({
      required: true,
      description: 'What the new keys have in its place, such as `archive/raw/`. Keys that are already there stay.',
    }),
    dryRun: t.boolean({ description: 'Only count what the run would do. Default: false.' }),
  }),
})

builder.mutationFields((t) => ({
  syncStorage: t.field({
    type: SyncRunRef,
    description:
      'Queues a sync and returns its run without waiting for the end. If a sync of the storage is queued or in progress, the mutation returns that run, which retries at once if it waits for the storage. Fails with ConflictError (STORAGE_PAUSED) if the storage is paused. Subscribe to storageChanged to follow the progress.',
    errors: {
      types: [NotFoundError, ValidationError, ConflictError],
      dataField: { name: 'run', description: 'The queued run, or the run that is already active.' },
    },
    args: { input: t.arg({ type: SyncStorageInput, required: true, description: 'The storage to sync, and how.' }) },
    resolve: (_root, { input: { storageId, ...options } }, parts) =>
      startSync(parts, idOf(storageTypes, storageId), options),
  }),
  exportAnnotations: t.field({
    type: SyncRunRef,
    description:
      'Queues an export of chosen annotations and returns its run without waiting for the end. The run does not change the status of the storage. Fails with ConflictError (STORAGE_PAUSED) if the storage is paused. Subscribe to syncRunChanged to follow the progress.',
    errors: {
      types: [NotFoundError, ValidationError, ConflictError],
      dataField: { name: 'run', description: 'The queued run.' },
    },
    args: {
      input: t.arg({
        type: ExportAnnotationsInput,
        required: true,
        description: 'The annotations and the export storage.',
      }),
    },
    resolve: (_root, { input: { storageId, annotationIds, skipUnchanged } }, parts) => {
      if (annotationIds.length > 10_000) {
        throw new ValidationError([{ path: 'input.annotationIds', message: 'must be at most 10,000' }])
      }
      const annotations = annotationIds.map((id) => idOf('Annotation', id))
      return startChosen(parts, idOf('ExportStorage', storageId), { annotations, skipUnchanged })
    },
  }),
  importObjects: t.field({
    type: SyncRunRef,
    description:
      'Queues an import of chosen objects and returns its run without waiting for the end. The run looks up each key, without a listing, and creates, updates and flags as a sync does. It can run beside a sync and does not change the status of the storage. Keys that the prefix or the filters exclude count as skipped. A key without an object is a missing object if it was imported before, and otherwise the issue OBJECT_MISSING. `maxObjects` does not apply. Fails with ConflictError (STORAGE_PAUSED) if the storage is paused. Subscribe to syncRunChanged to follow the progress.',
    errors: {
      types: [NotFoundError, ValidationError, ConflictError],
      dataField: { name: 'run', description: 'The queued run.' },
    },
    args: {
      input: t.arg({ type: ImportObjectsInput, required: true, description: 'The keys and the import storage.' }),
    },
    resolve: (_root, { input: { storageId, keys } }, parts) =>
      startImportOfKeys(parts, idOf('ImportStorage', storageId), keys),
  }),
  relocateLinks: t.field({
    type: SyncRunRef,
    description:
      'Queues a run that follows objects to another prefix: each link whose key starts with `from` gets the key with `to` in its place, and the URI in the data of its task follows. Tasks keep their annotations. A task that was imported from the new key is deleted; if somebody has annotated it, the object keeps its former key, and the run has the issue KEY_TAKEN. The run reads nothing from the bucket; the next sync finds out which objects exist. It can run beside a sync and does not change the status of the storage. Fails with ConflictError (STORAGE_PAUSED) if the storage is paused. Subscribe to syncRunChanged to follow the progress.',
    errors: {
      types: [NotFoundError, ValidationError, ConflictError],
      dataField: { name: 'run', description: 'The queued run.' },
    },
    args: {
      input: t.arg({ type: RelocateLinksInput, required: true, description: 'The import storage, and the prefixes.' }),
    },
    resolve: (_root, { input: { storageId, from, to, dryRun } }, parts) =>
      startRelocation(parts, idOf('ImportStorage', storageId), { from, to, dryRun: dryRun ?? false }),
  }),
  retryFailed: t.field({
    type: SyncRunRef,
    description:
      'Queues a run that processes only what failed in another run. If a sync of the storage is queued or in progress, the mutation returns that run. Fails with ConflictError if the other run is active or had no failures, or if the storage is paused.',
    errors: {
      types: [NotFoundError, ConflictError],
      dataField: { name: 'run', description: 'The queued run, or the run that is already active.' },
    },
    args: { runId: t.arg.id({ required: true, description: 'Global id of the run whose failures to retry.' }) },
    resolve: (_root, { runId }, parts) => startRetry(parts, idOf('SyncRun', runId)),
  }),
  cancelSync: t.field({
    type: SyncRunRef,
    description:
      'Cancels a run. A queued run ends at once, a running one within seconds. Tasks and objects that it wrote stay; a new sync processes the rest. Fails with ConflictError if the run has ended.',
    errors: {
      types: [NotFoundError, ConflictError],
      dataField: { name: 'run', description: 'The run after the request. It may still be in progress.' },
    },
    args: { runId: t.arg.id({ required: true, description: 'Global id of the run.' }) },
    resolve: async (_root, { runId }, { em, queue, loaders }) => {
      const id = idOf('SyncRun', runId)
      const run = await cancelSync({ em, queue }, id)
      if (run) return run
      throw (await loaders.run.load(id))
        ? new ConflictError('The run has ended already.')
        : new NotFoundError('There is no such run.')
    },
  }),
}))
