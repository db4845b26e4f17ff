import { ConflictError, NotFoundError } from '../errors.ts'
import { cancelSync, startSync } from '../sync/start.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { SyncRunRef } from './refs.ts'

const SyncStorageInput = builder.inputType('SyncStorageInput', {
  description: 'What to sync.',
  fields: (t) => ({ storageId: t.id({ required: true, description: 'Global id of the storage.' }) }),
})

builder.mutationFields((t) => ({
  syncStorage: t.field({
    type: SyncRunRef,
    description:
      'Queues a sync and answers at once with its run, or with the one that is under way. Watch it with storageChanged.',
    errors: { types: [NotFoundError], dataField: { name: 'run', description: 'The run as it is now.' } },
    args: { input: t.arg({ type: SyncStorageInput, required: true, description: 'The storage.' }) },
    resolve: (_root, { input }, parts) => startSync(parts, idOf('ImportStorage', input.storageId)),
  }),
  cancelSync: t.field({
    type: SyncRunRef,
    description: 'Stops a run. What it has imported stays; a new sync goes on with the rest.',
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
