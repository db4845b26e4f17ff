import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { ErrorCode } from '../errors.ts'
import { StorageEntity, storageDirections } from './storage.ts'

/** The states of a run. The first two are active, the others final. A storage that was never synced has the status INITIALIZED. */
export const syncStatuses = [
  'QUEUED',
  'IN_PROGRESS',
  'COMPLETED',
  'COMPLETED_WITH_ERRORS',
  'FAILED',
  'CANCELED',
] as const
export type SyncStatus = (typeof syncStatuses)[number]

/** What an export includes: all annotations, or only those that the storage has not received. */
export const exportScopes = ['ALL', 'NEW'] as const
export type ExportScope = (typeof exportScopes)[number]

/**
 * SYNC processes all that the settings of the storage select, RETRY only what failed in another run, CHOSEN what a client has
 * chosen. DRY_RUN counts what a SYNC would do. RELOCATE gives links the keys of another prefix. SYNC and RETRY are the syncs of a
 * storage: one is active at a time, and the last one determines the status of the storage.
 */
export const runKinds = ['SYNC', 'RETRY', 'DRY_RUN', 'CHOSEN', 'RELOCATE'] as const
export type RunKind = (typeof runKinds)[number]

/** What a RELOCATE run does: each key that starts with `from` gets `to` in its place. */
export interface Relocation {
  from: string
  to: string
  /** Whether the run only counts. */
  dryRun: boolean
}

/** MAIN: one of the slots that all projects share. EXTRA: an additional slot, for a project that uses less than its share of them. */
const lanes = ['MAIN', 'EXTRA'] as const
export type Lane = (typeof lanes)[number]

/** What each process of the run waits for, by process. Times are from the clock of the database, in ISO 8601. */
export type RunWaiting = Record<
  string,
  { code: ErrorCode; since: string; nextRetryAt: string; givesUpAt: string; retryAsked?: true }
>

const count = () => p.bigint('number').default(0)

/** One execution of an import or export. */
export const SyncRunEntity = defineEntity({
  name: 'SyncRun',
  tableName: 'sync_run',
  properties: {
    id: p.bigint('number').primary(),
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').index(false),
    /** Project and direction of the storage, whose share of slots the run uses. A trigger sets both. */
    shareProject: p.bigint('number'),
    shareDirection: p.enum(storageDirections),
    kind: p.enum(runKinds).default('SYNC'),
    /** The run whose failed objects a RETRY processes. No foreign key, because the runs of a storage are deleted with it. */
    retryOf: p.bigint('number').nullable(),
    relocation: p.json<Relocation>().nullable(),
    status: p.enum(syncStatuses).default('QUEUED'),
    /** Number of the current attempt. The database refuses writes of an earlier attempt (fencing). */
    attempt: p.integer().default(1),
    /** Number of attempts that do not count, because the worker was shut down or the job never began. */
    excused: p.integer().default(0),
    /** Whether its job was enqueued again because it had vanished from the queue. */
    requeued: p.boolean().default(false),
    /** The checkpoint, committed with the page before it. The cursors of a bucket listing are in `sync_shard`. */
    cursor: p.text().nullable(),
    /** The highest id of all links when the run began. Links of the storage with a higher id were created by this run. */
    firstLink: p.bigint('number').nullable(),
    /** Number that `listed` will reach. Null if unknown. */
    total: p.bigint('number').nullable(),
    /** Id of the job in the queue. Null until the queued run is enqueued. */
    jobId: p.text().nullable(),
    /** The slots to which the run was admitted. Null: its project uses its share, and the run waits without a job. */
    lane: p.enum(lanes).nullable(),
    exportScope: p.enum(exportScopes).default('ALL'),
    /** Whether an export skips objects whose bytes the storage already has. */
    skipUnchanged: p.boolean().default(false),
    /** The storage has another location, filter or method than when the run began, so the run may write nothing. A trigger sets it. */
    outdated: p.boolean().default(false),
    cancelRequested: p.boolean().default(false),
    /** Processes that wait for an unavailable storage. Null if no process waits. */
    waiting: p.json<RunWaiting>().nullable(),
    failure: p.text().nullable(),
    listed: count(),
    matched: count(),
    existed: count(),
    created: count(),
    updated: count(),
    missing: count(),
    moved: count(),
    selected: count(),
    exported: count(),
    skipped: count(),
    deleted: count(),
    failed: count(),
    bytesRead: count(),
    queuedAt: p.datetime().defaultRaw('now()'),
    startedAt: p.datetime().nullable(),
    heartbeatAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
  },
  indexes: [
    { properties: ['storage', 'id'] },
    // The index has only active runs, which are few.
    { name: 'sync_run_active_index', properties: ['storage'], where: "status in ('QUEUED', 'IN_PROGRESS')" },
    {
      name: 'sync_run_waiting_index',
      properties: ['shareDirection', 'shareProject', 'id'],
      where: "status = 'QUEUED' and lane is null and job_id is null",
    },
    {
      name: 'sync_run_dispatched_index',
      properties: ['shareDirection', 'shareProject'],
      where: "status = 'IN_PROGRESS' or (status = 'QUEUED' and (lane is not null or job_id is not null))",
    },
  ],
  uniques: [
    // One active sync per storage, across all processes.
    {
      name: 'sync_run_active_unique',
      properties: ['storage'],
      where: "status in ('QUEUED', 'IN_PROGRESS') and kind in ('SYNC', 'RETRY')",
    },
  ],
})

export type SyncRun = InferEntity<typeof SyncRunEntity>
