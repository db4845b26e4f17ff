import { sql } from 'kysely'
import { type ImportLink, ImportLinkEntity } from '../entities/import-link.ts'
import { type Storage, type StorageDirection, StorageEntity, type storageDirections } from '../entities/storage.ts'
import { SyncRunEntity, type syncStatuses } from '../entities/sync-run.ts'
import { mapRecord } from '../records.ts'
import { execute } from '../sql.ts'
import { countAdoptable } from '../storages/detach.ts'
import { countOutOfScope } from '../storages/scope.ts'
import { builder } from './builder.ts'
import { idOf, storageTypes } from './ids.ts'
import { locationObject, StorageLocationRef, StorageProviderRef } from './location.ts'
import { orNull } from './or-null.ts'
import { pageById } from './page.ts'
import { ImportLinkRef, ImportStorageRef, ProjectRef, StorageRef, SyncRunRef } from './refs.ts'
import { SyncScheduleRef } from './schedule.ts'
import { settingOutputs } from './settings.ts'

const statusDescriptions = {
  INITIALIZED: 'No sync has been queued yet.',
  QUEUED: 'A sync waits for a worker.',
  IN_PROGRESS: 'A sync is running.',
  COMPLETED: 'The last sync completed without issues.',
  COMPLETED_WITH_ERRORS: 'The last sync completed, but some objects failed. Each has an issue.',
  FAILED: 'The last sync failed. Tasks and objects that it wrote before stay.',
  CANCELED: 'A client canceled the last sync.',
} satisfies Record<'INITIALIZED' | (typeof syncStatuses)[number], string>

const StorageStatusRef = builder.enumType('StorageStatus', {
  description: 'Status of a storage: the status of its last sync (run of kind SYNC or RETRY).',
  values: mapRecord(statusDescriptions, (description) => ({ description })),
})

export const StorageDirectionRef = builder.enumType('StorageDirection', {
  description: 'Direction in which a storage moves data.',
  values: {
    IMPORT: { description: 'From the storage to the project: objects become tasks.' },
    EXPORT: { description: 'From the project to the storage: Sluice writes annotations into objects.' },
  } satisfies Record<(typeof storageDirections)[number], { description: string }>,
})

StorageRef.implement({
  description: 'A connection to a bucket, container, database or folder, with its settings.',
  interfaces: [builder.nodeInterfaceRef()],
  resolveType: ({ direction }) => (direction === 'IMPORT' ? 'ImportStorage' : 'ExportStorage'),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database.' }),
    project: t.field({
      type: ProjectRef,
      description: 'The project of the storage.',
      resolve: async (storage, _args, { loaders }) => (await loaders.project.load(storage.project))!,
    }),
    ...Object.fromEntries(settingOutputs.common.map(({ name, options }) => [name, t.field(options)])),
    provider: t.field({
      type: StorageProviderRef,
      description: 'Kind of the storage.',
      resolve: (storage) => storage.provider,
    }),
    location: t.field({
      type: StorageLocationRef,
      description: 'Location of the objects, without secrets.',
      resolve: (storage) => locationObject(storage.provider, storage.location),
    }),
    status: t.field({
      type: StorageStatusRef,
      description: 'Status of the last sync.',
      resolve: async (storage, _args, { loaders }) =>
        storage.lastRun ? ((await loaders.run.load(storage.lastRun))?.status ?? 'INITIALIZED') : 'INITIALIZED',
    }),
    failure: t.string({
      nullable: true,
      description: 'Why the last sync failed, as text for people. Null unless its status is FAILED.',
      resolve: async (storage, _args, { loaders }) =>
        storage.lastRun ? ((await loaders.run.load(storage.lastRun))?.failure ?? null) : null,
    }),
    lastSyncAt: t.expose('lastSyncAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the last sync that a worker started ended. Null if none has ended.',
    }),
    lastSyncCount: t.expose('lastSyncCount', {
      type: 'SafeInt',
      nullable: true,
      description:
        'Number of tasks that the last sync created, or of objects that it exported. Null if the storage was never synced, or while a sync is queued or in progress.',
    }),
    lastRun: t.field({
      type: SyncRunRef,
      nullable: true,
      description: 'The last sync, which may still be queued or in progress. Null if the storage was never synced.',
      resolve: (storage, _args, { loaders }) => (storage.lastRun ? loaders.run.load(storage.lastRun) : null),
    }),
    runs: t.connection({
      type: SyncRunRef,
      description: 'Runs of the storage, of every kind, newest first. Sluice keeps the newest 1,000.',
      resolve: (storage, args, { em }) => pageById(em, SyncRunEntity, { storage: storage.id }, args),
    }),
    schedule: t.field({
      type: SyncScheduleRef,
      nullable: true,
      description: 'Schedule that starts syncs of the storage. Null if the storage has no schedule.',
      resolve: (storage, _args, { loaders }) => loaders.scheduleOfStorage.load(storage.id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the storage was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the settings of the storage last changed.',
    }),
  }),
})

/** Returns the storage if it has this direction, otherwise null. */
export function ofDirection(direction: StorageDirection, storage: Storage | null): Storage | null {
  return storage?.direction === direction ? storage : null
}

/** Matches every link. Whole objects and rows have separate partial indexes on keys; PostgreSQL uses them only with this OR. */
const eitherKind = { $or: [{ rowIndex: -1 }, { rowIndex: { $ne: -1 } }] }

builder.node(ImportStorageRef, {
  description: 'A storage from which a project imports tasks.',
  interfaces: [StorageRef],
  id: { resolve: (storage) => storage.id },
  loadWithoutCache: async (id, { loaders }) => ofDirection('IMPORT', await loaders.storage.load(Number(id))),
  fields: (t) => ({
    ...Object.fromEntries(settingOutputs.IMPORT.map(({ name, options }) => [name, t.field(options)])),
    links: t.connection({
      type: ImportLinkRef,
      description: 'Links between tasks and the objects that they were imported from, newest first.',
      args: {
        objectExists: t.arg.boolean({
          description:
            'Only links whose object exists (true) or is missing (false), as of the last complete sync. Default: both.',
        }),
        keyPrefix: t.arg.string({ description: 'Only links whose key starts with this text. Default: all links.' }),
      },
      resolve: (storage, { objectExists, keyPrefix, ...args }, { em }) =>
        pageById<ImportLink>(
          em,
          ImportLinkEntity,
          {
            storage: storage.id,
            ...(typeof objectExists === 'boolean' && { objectExists }),
            ...(keyPrefix && {
              key: { $like: `${keyPrefix.replace(/[\\%_]/g, '\\$&')}%` },
              ...eitherKind,
            }),
          },
          args,
        ),
    }),
    adoptableTasks: t.field({
      type: 'SafeInt',
      description:
        'Number of tasks that were imported from the same place by storages that were deleted since. The next sync links them to this storage, instead of importing their objects again.',
      resolve: (storage, _args, { em }) => countAdoptable(em, storage),
    }),
    outOfScopeLinks: t.field({
      type: 'SafeInt',
      description:
        'Number of links whose key is not below the prefix of the storage, for example because the prefix was changed. Syncs neither update nor flag their tasks, and their URIs do not resolve.',
      resolve: (storage, _args, { em }) => countOutOfScope(em, storage),
    }),
    tasksLinked: t.field({
      type: 'SafeInt',
      description: 'Number of tasks that were imported from one object.',
      args: { key: t.arg.string({ required: true, description: 'Key of the object.' }) },
      resolve: (storage, { key }, { em }) =>
        em.fork().count(ImportLinkEntity, {
          storage: storage.id,
          key,
          ...eitherKind,
        }),
    }),
  }),
})

builder.queryFields((t) => ({
  storage: t.field({
    type: StorageRef,
    nullable: true,
    description: 'One storage. Null if no storage has this id.',
    args: { id: t.arg.id({ required: true, description: 'Global id of the storage.' }) },
    resolve: (_root, { id }, { loaders }) => orNull(() => loaders.storage.load(idOf(storageTypes, id))),
  }),
  storages: t.connection({
    type: StorageRef,
    description:
      'Storages of a project, newest first. The query first looks for syncs whose worker has died, so that no storage wrongly appears to be in progress.',
    args: {
      projectId: t.arg.id({ required: true, description: 'Global id of the project.' }),
      direction: t.arg({ type: StorageDirectionRef, description: 'Only storages with this direction. Default: both.' }),
      provider: t.arg({ type: StorageProviderRef, description: 'Only storages of this kind. Default: every kind.' }),
      status: t.arg({
        type: [StorageStatusRef],
        description: 'Only storages with one of these statuses. Default: every status.',
      }),
    },
    resolve: async (_root, { projectId, direction, provider, status, ...args }, { em, sweep }) => {
      const project = idOf('Project', projectId)
      await sweep(project)
      const inState = status && (await storagesInState(project, status))
      const where = {
        project,
        ...(direction && { direction }),
        ...(provider && { provider }),
        ...(inState && { id: inState }),
      }
      return pageById(em, StorageEntity, where, args)

      async function storagesInState(of: number, states: string[]): Promise<number[]> {
        const rows = await execute<{ id: string }>(
          em,
          sql`select s.id from storage s left join sync_run r on r.id = s.last_run
           where s.project_id = ${of} and coalesce(r.status, 'INITIALIZED') = any(${states})`,
        )
        return rows.map((row) => Number(row.id))
      }
    },
  }),
}))
