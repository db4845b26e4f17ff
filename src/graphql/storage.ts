import { type ImportLink, ImportLinkEntity } from '../entities/import-link.ts'
import {
  type importMethods,
  type Storage,
  type StorageDirection,
  StorageEntity,
  type storageDirections,
} from '../entities/storage.ts'
import { SyncRunEntity, type syncStatuses } from '../entities/sync-run.ts'
import { sql } from '../sql.ts'
import { builder } from './builder.ts'
import { idOf, storageTypes } from './ids.ts'
import {
  ChangedPolicyRef,
  hiveWords,
  importFields,
  MissingPolicyRef,
  SyncModeRef,
  sidecarWords,
} from './import-settings.ts'
import { locationObject, StorageLocationRef, StorageProviderRef } from './location.ts'
import { orNull } from './or-null.ts'
import { pageById } from './page.ts'
import { ImportLinkRef, ImportStorageRef, ProjectRef, StorageRef, SyncRunRef } from './refs.ts'
import { SyncScheduleRef } from './schedule.ts'

const statusWords = {
  INITIALIZED: 'Never synced.',
  QUEUED: 'A sync waits for a worker.',
  IN_PROGRESS: 'A sync is running.',
  COMPLETED: 'The last sync took everything.',
  COMPLETED_WITH_ERRORS: 'The last sync finished, but some objects failed; each has an issue.',
  FAILED: 'The last sync could not finish.',
  CANCELED: 'The last sync was canceled.',
} satisfies Record<'INITIALIZED' | (typeof syncStatuses)[number], string>

export const StorageStatusRef = builder.enumType('StorageStatus', {
  description: 'State of a storage: that of its last sync.',
  values: Object.fromEntries(
    Object.entries(statusWords).map(([name, description]) => [name, { description }]),
  ) as Record<keyof typeof statusWords, { description: string }>,
})

export const StorageDirectionRef = builder.enumType('StorageDirection', {
  description: 'Which way data goes.',
  values: {
    IMPORT: { description: 'Tasks come from it.' },
    EXPORT: { description: 'Annotations go to it.' },
  } satisfies Record<(typeof storageDirections)[number], { description: string }>,
})

export const ImportMethodRef = builder.enumType('ImportMethod', {
  description: 'What an object of an import storage is.',
  values: {
    TASKS: {
      description: 'A file of tasks: a JSON object, an array of them, JSON Lines, either also gzipped, or Parquet.',
    },
    FILES: { description: 'One task, whose data is the URI of the object.' },
  } satisfies Record<(typeof importMethods)[number], { description: string }>,
})

StorageRef.implement({
  description: 'A connected place that data is moved from or to.',
  interfaces: [builder.nodeInterfaceRef()],
  resolveType: ({ direction }) => (direction === 'IMPORT' ? 'ImportStorage' : 'ExportStorage'),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'The number in URLs.' }),
    project: t.field({
      type: ProjectRef,
      description: 'The project it is connected to.',
      resolve: async (storage, _args, { loaders }) => (await loaders.project.load(storage.project))!,
    }),
    title: t.exposeString('title', { nullable: true, description: 'Name for people; null = none.' }),
    description: t.exposeString('description', { nullable: true, description: 'Notes for people; null = none.' }),
    provider: t.field({
      type: StorageProviderRef,
      description: 'The kind of storage.',
      resolve: (storage) => storage.provider as 'S3',
    }),
    location: t.field({
      type: StorageLocationRef,
      description: 'Where the objects are.',
      resolve: (storage) => locationObject(storage.provider, storage.location),
    }),
    status: t.field({
      type: StorageStatusRef,
      description: 'State of the last sync.',
      resolve: async (storage, _args, { loaders }) =>
        storage.lastRun ? ((await loaders.run.load(storage.lastRun))?.status ?? 'INITIALIZED') : 'INITIALIZED',
    }),
    failure: t.string({
      nullable: true,
      description: 'Why the last sync failed, in words; null unless it did.',
      resolve: async (storage, _args, { loaders }) =>
        storage.lastRun ? ((await loaders.run.load(storage.lastRun))?.failure ?? null) : null,
    }),
    synchronizable: t.boolean({ description: 'Whether it can be synced.', resolve: () => true }),
    lastSyncAt: t.expose('lastSyncAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the last sync that ran came to its end; null = never.',
    }),
    lastSyncCount: t.expose('lastSyncCount', {
      type: 'SafeInt',
      nullable: true,
      description:
        'How many tasks the last import created, or how many objects the last export wrote; null = never synced, or a sync is under way.',
    }),
    lastRun: t.field({
      type: SyncRunRef,
      nullable: true,
      description: 'The last sync; null = never synced.',
      resolve: (storage, _args, { loaders }) => (storage.lastRun ? loaders.run.load(storage.lastRun) : null),
    }),
    runs: t.connection({
      type: SyncRunRef,
      description: 'Its syncs, newest first.',
      resolve: (storage, args, { em }) => pageById(em, SyncRunEntity, { storage: storage.id }, args),
    }),
    schedule: t.field({
      type: SyncScheduleRef,
      nullable: true,
      description: 'When it is synced by itself; null = only when somebody asks.',
      resolve: (storage, _args, { loaders }) => loaders.scheduleOfStorage.load(storage.id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was connected.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its settings were last changed.' }),
  }),
})

/** The storage, if it goes the way that its global id says. */
export function ofDirection(direction: StorageDirection, storage: Storage | null): Storage | null {
  return storage?.direction === direction ? storage : null
}

/** Every link: of an object or of a row of one. Each kind has an index of keys of its own, which only this lets be used. */
const eitherKind = { $or: [{ rowIndex: -1 }, { rowIndex: { $ne: -1 } }] }

builder.node(ImportStorageRef, {
  description: 'A storage that tasks come from.',
  interfaces: [StorageRef],
  id: { resolve: (storage) => storage.id },
  loadWithoutCache: async (id, { loaders }) => ofDirection('IMPORT', await loaders.storage.load(Number(id))),
  fields: (t) => ({
    importMethod: t.expose('importMethod', { type: ImportMethodRef, description: 'What an object is.' }),
    regexFilter: t.exposeString('regexFilter', {
      nullable: true,
      description: 'Only keys that match from their start (RE2 syntax) are imported; null = every key.',
    }),
    filters: t.expose('filters', { ...importFields.filters, nullable: true }),
    syncMode: t.expose('syncMode', { type: SyncModeRef, description: 'Where a sync begins to list.' }),
    missingPolicy: t.expose('missingPolicy', {
      type: MissingPolicyRef,
      description: 'What a sync does about tasks whose object is gone.',
    }),
    changedPolicy: t.expose('changedPolicy', {
      type: ChangedPolicyRef,
      description: 'What a sync does about objects that have changed.',
    }),
    maxMissing: t.field({ ...importFields.maxMissing, nullable: true }),
    recursive: t.exposeBoolean('recursive', { description: 'Whether folders below the prefix are imported, too.' }),
    skipSidecars: t.exposeBoolean('skipSidecars', { description: sidecarWords }),
    hiveColumns: t.exposeBoolean('hiveColumns', { description: hiveWords }),
    presign: t.exposeBoolean('presign', {
      description: 'Whether links redirect to signed URLs of the storage; otherwise the bytes go through this server.',
    }),
    presignTtlMinutes: t.exposeInt('presignTtlMinutes', { description: 'Minutes that a signed URL is valid.' }),
    links: t.connection({
      type: ImportLinkRef,
      description: 'Which object became which task, newest first.',
      args: {
        objectExists: t.arg.boolean({
          description: 'Only links whose object was there, or was gone, at the last look.',
        }),
        keyPrefix: t.arg.string({ description: 'Only links to keys that start with this.' }),
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
    tasksLinked: t.field({
      type: 'SafeInt',
      description: 'How many tasks came from one object.',
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
    description: 'A storage; null when there is none with this id.',
    args: { id: t.arg.id({ required: true, description: 'Global id of the storage.' }) },
    resolve: (_root, { id }, { loaders }) => orNull(() => loaders.storage.load(idOf(storageTypes, id))),
  }),
  storages: t.connection({
    type: StorageRef,
    description:
      'The storages of a project, newest first. A sync whose worker has died is found by this at the latest, so what is shown is true.',
    args: {
      projectId: t.arg.id({ required: true, description: 'Global id of the project.' }),
      direction: t.arg({ type: StorageDirectionRef, description: 'Only storages of this direction.' }),
      provider: t.arg({ type: StorageProviderRef, description: 'Only storages of this kind.' }),
      status: t.arg({ type: [StorageStatusRef], description: 'Only storages in one of these states.' }),
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
        const rows = await sql<{ id: string }>(
          em,
          `select s.id from storage s left join sync_run r on r.id = s.last_run
           where s.project_id = $1 and coalesce(r.status, 'INITIALIZED') = any($2)`,
          [of, states],
        )
        return rows.map((row) => Number(row.id))
      }
    },
  }),
}))
