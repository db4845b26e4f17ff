import { ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { type Change, start } from './change.ts'
import { watchRun, watchStorages } from './changes.ts'
import { idOf, storageTypes } from './ids.ts'
import { StorageRef, SyncRunRef } from './refs.ts'

type StateChange = Extract<Change, { storage: number }>

const StorageEventRef = builder.interfaceRef<Change>('StorageEvent').implement({
  description: 'One message of storageChanged.',
  resolveType: ({ kind }) => (kind === 'LAGGED' ? 'Lagged' : kind === 'HEARTBEAT' ? 'Heartbeat' : 'StorageState'),
  fields: (t) => ({
    cursor: t.string({
      description:
        'Where this message stands in the log; give it as `after` to continue behind it, on whichever server and transport.',
      resolve: ({ cursor }) => String(cursor),
    }),
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
  }),
})

const ChangeKindRef = builder.enumType('StorageStateKind', {
  description: 'Why a state is told.',
  values: {
    SNAPSHOT: { description: 'It is the state at the start of the subscription.' },
    STATUS: { description: 'The status of the run has changed. Never left out.' },
    PROGRESS: { description: 'The counters have grown; at most 4 times a second for a run, newer replaces older.' },
  } satisfies Record<StateChange['kind'], { description: string }>,
})

builder.objectType(builder.objectRef<StateChange>('StorageState'), {
  description: 'The state of a storage and its run at one moment.',
  interfaces: [StorageEventRef],
  fields: (t) => ({
    kind: t.expose('kind', { type: ChangeKindRef, description: 'Why it is told.' }),
    storage: t.field({
      type: StorageRef,
      nullable: true,
      description: 'The storage, as it is now; null when it was deleted meanwhile.',
      resolve: ({ storage }, _args, { loaders }) => loaders.storage.load(storage),
    }),
    run: t.expose('run', {
      type: SyncRunRef,
      nullable: true,
      description: 'The run, as it was at that moment; null = the storage was never synced.',
    }),
  }),
})

builder.objectType(builder.objectRef<Change>('Heartbeat'), {
  description:
    'Nothing has happened for a while (15 seconds, unless the server is set otherwise); the stream is alive. Whether the subscriber may still see it was looked at again.',
  interfaces: [StorageEventRef],
})

builder.objectType(builder.objectRef<Change>('Lagged'), {
  description:
    'Messages were left out. To a subscriber who is too slow, so that more than 1,000 messages wait, only progress that newer replaces: every status follows from the log. To one who was away longer than the log is kept, all of them: the present state follows.',
  interfaces: [StorageEventRef],
})

builder.subscriptionFields((t) => ({
  storageChanged: t.field({
    type: StorageEventRef,
    description:
      'Status and progress of one storage, or of all storages of a project: first the present state, then changes. Ends with an error when the token is revoked, or the storage or project deleted. While the database is away nothing is told, heartbeats neither, for up to two minutes.',
    args: {
      storageId: t.arg.id({ description: 'Global id of a storage.' }),
      projectId: t.arg.id({ description: 'Global id of a project.' }),
      after: t.arg.string({
        description:
          'Cursor of the last message that was seen; the log is kept for 24 hours, or as long as it holds a million messages.',
      }),
    },
    subscribe: (_root, { storageId, projectId, after }, context) => {
      if (!storageId === !projectId) {
        throw new ValidationError([{ path: 'storageId', message: 'name either storageId or projectId' }])
      }
      if (after && after !== start && !/^\d{1,15}$/.test(after)) {
        throw new ValidationError([{ path: 'after', message: 'is not a cursor of this log' }])
      }
      const watched = storageId ? { storage: idOf(storageTypes, storageId) } : { project: idOf('Project', projectId!) }
      return watchStorages(context, watched, after && after !== start ? Number(after) : undefined)
    },
    resolve: (change, _args, { loaders }) => {
      if ('run' in change && change.run) loaders.run.prime(change.run.id, change.run)
      if ('row' in change && change.row) loaders.storage.prime(change.storage, change.row)
      return change
    },
  }),
  syncRunChanged: t.field({
    type: SyncRunRef,
    description: 'The states of one run, from the present one to its last; ends after that.',
    args: { runId: t.arg.id({ required: true, description: 'Global id of the run.' }) },
    subscribe: (_root, { runId }, context) => watchRun(context, idOf('SyncRun', runId)),
    resolve: (run) => run,
  }),
}))
