import type { exportScopes } from '../entities/sync-run.ts'
import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import { cancelSync, startChosen, startRetry, startSync } from '../sync/start.ts'
import { builder } from './builder.ts'
import { idOf, storageTypes } from './ids.ts'
import { SyncRunRef } from './refs.ts'

export const ExportScopeRef = builder.enumType('ExportScope', {
  description: 'Which annotations an export takes.',
  values: {
    ALL: { description: 'All of the project, skipped ones included.' },
    NEW: { description: 'Those that the storage does not have yet.' },
  } satisfies Record<(typeof exportScopes)[number], { description: string }>,
})

export const skipUnchangedWords =
  'Whether an object is left alone whose content and name are those of its last write. Default: false.'

const SyncStorageInput = builder.inputType('SyncStorageInput', {
  description: 'What to sync.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the storage.' }),
    exportScope: t.field({
      type: ExportScopeRef,
      description: 'Which annotations an export takes. Default: ALL. Not for import storages.',
    }),
    skipUnchanged: t.boolean({ description: skipUnchangedWords }),
    dryRun: t.boolean({
      description:
        'Only counts what an import would do: the run has the counters and issues of a real one, and nothing else is changed. The status of the storage does not follow it.',
    }),
  }),
})

const ExportAnnotationsInput = builder.inputType('ExportAnnotationsInput', {
  description: 'A few annotations that are to be exported now.',
  fields: (t) => ({
    storageId: t.id({ required: true, description: 'Global id of the export storage.' }),
    annotationIds: t.idList({
      required: true,
      description: 'Global ids of the annotations, at most 10,000; in TASK format their tasks are exported.',
    }),
    skipUnchanged: t.boolean({ description: skipUnchangedWords }),
  }),
})

builder.mutationFields((t) => ({
  syncStorage: t.field({
    type: SyncRunRef,
    description:
      'Queues a sync and answers at once with its run, or with the one that is under way, which retries at once if it waits for the storage. Watch it with storageChanged.',
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'run', description: 'The run as it is now.' },
    },
    args: { input: t.arg({ type: SyncStorageInput, required: true, description: 'The storage.' }) },
    resolve: (_root, { input: { storageId, ...options } }, parts) =>
      startSync(parts, idOf(storageTypes, storageId), options),
  }),
  exportAnnotations: t.field({
    type: SyncRunRef,
    description:
      "Queues an export of a few annotations and answers at once with its run. The storage's status stays what it is; watch it with syncRunChanged.",
    errors: {
      types: [NotFoundError, ValidationError],
      dataField: { name: 'run', description: 'The run as it is now.' },
    },
    args: { input: t.arg({ type: ExportAnnotationsInput, required: true, description: 'What to export where.' }) },
    resolve: (_root, { input: { storageId, annotationIds, skipUnchanged } }, parts) => {
      if (annotationIds.length > 10_000) {
        throw new ValidationError([{ path: 'input.annotationIds', message: 'must be at most 10,000' }])
      }
      const annotations = annotationIds.map((id) => idOf('Annotation', id))
      return startChosen(parts, idOf('ExportStorage', storageId), { annotations, skipUnchanged })
    },
  }),
  retryFailed: t.field({
    type: SyncRunRef,
    description: 'Queues a run that takes only what failed in another, or answers with the sync that is under way.',
    errors: { types: [NotFoundError, ConflictError], dataField: { name: 'run', description: 'The run as it is now.' } },
    args: { runId: t.arg.id({ required: true, description: 'Global id of the run with failures.' }) },
    resolve: (_root, { runId }, parts) => startRetry(parts, idOf('SyncRun', runId)),
  }),
  cancelSync: t.field({
    type: SyncRunRef,
    description: 'Stops a run. What it has imported or exported stays; a new sync goes on with the rest.',
    errors: { types: [NotFoundError, ConflictError], dataField: { name: 'run', description: 'The run as it is now.' } },
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
