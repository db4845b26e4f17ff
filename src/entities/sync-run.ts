import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { ErrorCode } from '../errors.ts'
import { StorageEntity, storageDirections } from './storage.ts'

/** The states of a run. The first two are active, the others final. A storage that was never synced shows INITIALIZED. */
export const syncStatuses = [
  'QUEUED',
  'IN_PROGRESS',
  'COMPLETED',
  'COMPLETED_WITH_ERRORS',
  'FAILED',
  'CANCELED',
] as const
export type SyncStatus = (typeof syncStatuses)[number]

/** What an export takes: every annotation, or only those that this storage does not have. */
export const exportScopes = ['ALL', 'NEW'] as const
export type ExportScope = (typeof exportScopes)[number]

/**
 * SYNC moves what is to be moved; RETRY only what failed in another run; DRY_RUN counts what a SYNC would do; CHOSEN moves
 * what a person has picked. The first two are the syncs of a storage: one at a time, and its status is that of the last.
 */
export const runKinds = ['SYNC', 'RETRY', 'DRY_RUN', 'CHOSEN'] as const
export type RunKind = (typeof runKinds)[number]

/** MAIN: one of the slots that all projects share. EXTRA: one of those for projects that have less than their share of them. */
const lanes = ['MAIN', 'EXTRA'] as const
export type Lane = (typeof lanes)[number]

/** By process of the run: what it waits for. Times are those of the database, in ISO 8601. */
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
    /** Of whose share of which slots it takes: project and direction of the storage, filled in by a trigger. */
    shareProject: p.bigint('number'),
    shareDirection: p.enum(storageDirections),
    kind: p.enum(runKinds).default('SYNC'),
    /** The run whose failed objects a RETRY takes. No foreign key: runs of a storage go with it. */
    retryOf: p.bigint('number').nullable(),
    status: p.enum(syncStatuses).default('QUEUED'),
    /** Counts the workers that took the run; a worker that holds an older number may not write (fencing). */
    attempt: p.integer().default(1),
    /** How many attempts ended by no fault of the run: its worker was told to stop, or its job never began. */
    excused: p.integer().default(0),
    /** Whether it was put into the queue once more because its job had vanished there. */
    requeued: p.boolean().default(false),
    /** Where the work continues, committed with the page it follows. The listing of a bucket has its cursors in `sync_shard`. */
    cursor: p.text().nullable(),
    /** The highest id of any link when the run began: a link of the storage with a higher one is this run's own. */
    firstLink: p.bigint('number').nullable(),
    /** How many things there are to do; null = unknown. */
    total: p.bigint('number').nullable(),
    /** The job in the queue; null in the moment between queueing and enqueueing. */
    jobId: p.text().nullable(),
    /** The slots that it was admitted to; null = its project has its share, and the run waits without a job. */
    lane: p.enum(lanes).nullable(),
    exportScope: p.enum(exportScopes).default('ALL'),
    /** Whether an export leaves out what the storage has already, to the byte. */
    skipUnchanged: p.boolean().default(false),
    cancelRequested: p.boolean().default(false),
    /** Processes that wait for the location to come back; null = none does. */
    waiting: p.json<RunWaiting>().nullable(),
    failure: p.text().nullable(),
    listed: count(),
    matched: count(),
    existed: count(),
    created: count(),
    updated: count(),
    missing: count(),
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
    // Of all runs ever, the few that somebody should be at.
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
    // One active sync per storage, whatever the number of processes that ask for one.
    {
      name: 'sync_run_active_unique',
      properties: ['storage'],
      where: "status in ('QUEUED', 'IN_PROGRESS') and kind in ('SYNC', 'RETRY')",
    },
  ],
})

export type SyncRun = InferEntity<typeof SyncRunEntity>
