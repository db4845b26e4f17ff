import { ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { type Change, startCursor } from './change.ts'
import { watchRun, watchStorages } from './changes.ts'
import { idOf, storageTypes } from './ids.ts'
import { StorageRef, SyncRunRef } from './refs.ts'
import type { WatchedStorages } from './snapshots.ts'

type StateChange = Extract<Change, { storage: number }>

const StorageEventRef = builder.interfaceRef<Change>('StorageEvent').implement({
  description: 'One message of the subscription storageChanged.',
  resolveType: ({ kind }) => (kind === 'LAGGED' ? 'Lagged' : kind === 'HEARTBEAT' ? 'Heartbeat' : 'StorageState'),
  fields: (t) => ({
    cursor: t.string({
      description:
        'Position of this message in the event log. Pass it as `after` to continue after this message, on any server process and transport.',
      resolve: ({ cursor }) => String(cursor),
    }),
    at: t.expose('at', {
      type: 'DateTime',
      description: 'When the event occurred, or when the server created the message.',
    }),
  }),
})

const ChangeKindRef = builder.enumType('StorageStateKind', {
  description: 'Why the server sends a state.',
  values: {
    SNAPSHOT: { description: 'The state at the start of the subscription.' },
    STATUS: { description: 'The status of the run has changed. The server never drops such a message.' },
    PROGRESS: {
      description:
        'The counters of the run have grown. At most 4 messages per second and run; newer progress replaces older progress.',
    },
  } satisfies Record<StateChange['kind'], { description: string }>,
})

builder.objectType(builder.objectRef<StateChange>('StorageState'), {
  description: 'State of a storage and its run at one moment.',
  interfaces: [StorageEventRef],
  fields: (t) => ({
    kind: t.expose('kind', { type: ChangeKindRef, description: 'Why the server sends this state.' }),
    storage: t.field({
      type: StorageRef,
      nullable: true,
      description: 'The storage as it is now. Null if it was deleted in the meantime.',
      resolve: ({ storage }, _args, { loaders }) => loaders.storage.load(storage),
    }),
    run: t.expose('run', {
      type: SyncRunRef,
      nullable: true,
      description: 'The run as it was at the time `at`. Null if the storage was never synced.',
    }),
  }),
})

builder.objectType(builder.objectRef<Change>('Heartbeat'), {
  description:
    'The stream is alive, and the subscriber still has access. The server sends a heartbeat after SUBSCRIPTION_HEARTBEAT seconds without an event (default: 15).',
  interfaces: [StorageEventRef],
})

builder.objectType(builder.objectRef<Change>('Lagged'), {
  description:
    'The server dropped messages. If more than 1,000 messages waited for a slow subscriber, it dropped only progress that newer progress replaces; every status change follows from the event log. If `after` is older than the event log, the current state follows instead of the events.',
  interfaces: [StorageEventRef],
})

builder.subscriptionFields((t) => ({
  storageChanged: t.field({
    type: StorageEventRef,
    description:
      'Status and progress of one storage, or of all storages of a project: first the current state, then each change. Ends with an error if the token is revoked, or the storage or project is deleted. While the database is unreachable, the server sends nothing, not even heartbeats; after two minutes the subscription ends with an error.',
    args: {
      storageId: t.arg.id({ description: 'Global id of a storage. Give either `storageId` or `projectId`.' }),
      projectId: t.arg.id({ description: 'Global id of a project.' }),
      after: t.arg.string({
        description:
          'Cursor of the last message that the client received. The subscription then starts with the events after this message. The event log holds the last 24 hours, and at most a million events. Default: start with the current state.',
      }),
    },
    subscribe: (_root, { storageId, projectId, after }, context) => {
      if (!storageId === !projectId) {
        throw new ValidationError([{ path: 'storageId', message: 'name either storageId or projectId' }])
      }
      if (after && after !== startCursor && !/^\d{1,15}$/.test(after)) {
        throw new ValidationError([{ path: 'after', message: 'is not a cursor of this log' }])
      }
      const watched: WatchedStorages = storageId
        ? { type: 'STORAGE', id: idOf(storageTypes, storageId) }
        : { type: 'PROJECT', id: idOf('Project', projectId!) }
      return watchStorages(context, watched, after && after !== startCursor ? Number(after) : undefined)
    },
    resolve: (change, _args, { loaders }) => {
      if ('run' in change && change.run) loaders.run.prime(change.run.id, change.run)
      if ('row' in change && change.row) loaders.storage.prime(change.storage, change.row)
      return change
    },
  }),
  syncRunChanged: t.field({
    type: SyncRunRef,
    description:
      'States of one run: first the current state, then each change. The subscription ends after the final state.',
    args: { runId: t.arg.id({ required: true, description: 'Global id of the run.' }) },
    subscribe: (_root, { runId }, context) => watchRun(context, idOf('SyncRun', runId)),
    resolve: (run) => run,
  }),
}))
