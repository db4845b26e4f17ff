import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { policyOf, syncKinds } from '../entities/run-policies.ts'
import {
  type ExportScope,
  type Relocation,
  type RunKind,
  type SyncRun,
  SyncRunEntity,
  type SyncStatus,
} from '../entities/sync-run.ts'
import { ConflictError } from '../errors.ts'
import { recordEvent } from '../events/log.ts'
import { execute } from '../sql.ts'
import { heldRun, leasedRun, ofAttempt, type RunLease } from './lease.ts'
import { recordOutcome } from './schedule-pause.ts'
import { stillWaiting } from './waiting.ts'

/** Number of attempts before a run fails. Attempts that ended because a worker shut down (`excused`) do not count. */
export const maxAttempts = 3

/** True if the status is final. */
export function isFinal(status: SyncStatus): boolean {
  return status !== 'QUEUED' && status !== 'IN_PROGRESS'
}

/** A row of `sync_run`, of which code reads these columns. */
export type RunRow = {
  id: string
  storage_id: string
  kind: RunKind
  status: SyncStatus
  created: string
  exported: string
  started_at: string | null
  finished_at: string | null
}

/** Converts a row of `sync_run`, from SQL or the event log, to a run. */
export function toRun(em: EntityManager, row: Record<string, unknown>): SyncRun {
  return em.fork().map(SyncRunEntity, row)
}

// PostgreSQL uses the index `sync_run_active_unique` only for a condition with the same literals.
const isSyncKind = (column: string): RawBuilder<SqlBool> =>
  sql`${sql.ref(column)} in (${sql.join(syncKinds.map((kind) => sql.lit(kind)))})`

/** Options of a new run. */
interface RunOptions {
  kind?: RunKind
  /** The run whose failed objects a RETRY imports. */
  retryOf?: number | null
  exportScope?: ExportScope
  skipUnchanged?: boolean
  /** The annotations of a CHOSEN export. */
  chosen?: number[]
  /** The keys of a CHOSEN import. */
  keys?: string[]
  /** What a RELOCATE run does. */
  relocation?: Relocation | null
}

/**
 * Queues a run, or returns the active one: a storage has at most one active sync (`RunPolicy.isSync`), across all processes.
 * The caller enqueues the job if `isNew` is true.
 * @throws ConflictError STORAGE_PAUSED if the storage is paused
 */
export async function queueRun(
  em: EntityManager,
  storageId: number,
  options: RunOptions = {},
): Promise<{ run: SyncRun; isNew: boolean }> {
  for (;;) {
    const queued = await em.fork().transactional(async (tx) => {
      const row = await insertRun(tx, storageId, options)
      if (row) await recordEvent(tx, 'STATUS', { type: 'RUN', id: Number(row.id) })
      return row
    })
    if (queued) return { run: toRun(em, queued), isNew: true }
    const [paused] = await execute(em, sql`select id from storage where id = ${storageId} and not synchronizable`)
    if (paused) throw new ConflictError(undefined, 'STORAGE_PAUSED')
    const [active] = await execute<RunRow>(
      em,
      sql`select * from sync_run
       where storage_id = ${storageId} and status in ('QUEUED', 'IN_PROGRESS') and ${isSyncKind('kind')}`,
    )
    if (active) return { run: toRun(em, active), isNew: false }
  }
}

/**
 * Inserts a run in the transaction of `tx`, whose last statement must record the event. Undefined if the storage already has an
 * active sync, or is paused.
 */
export async function insertRun(
  tx: EntityManager,
  storageId: number,
  options: RunOptions,
): Promise<RunRow | undefined> {
  const { kind = 'SYNC', retryOf = null, exportScope = 'ALL', skipUnchanged = false, relocation = null } = options
  const { chosen = [], keys = [] } = options
  const [row] = await execute<RunRow>(
    tx,
    sql`with fresh as (
       insert into sync_run (storage_id, kind, retry_of, export_scope, skip_unchanged, relocation, total)
       select id, ${kind}::text, ${retryOf}::bigint, ${exportScope}::text, ${skipUnchanged}::boolean,
         ${relocation && JSON.stringify(relocation)}::jsonb, ${keys.length || null}::bigint
       from storage where id = ${storageId} and synchronizable
       on conflict (storage_id) where status in ('QUEUED', 'IN_PROGRESS') and ${isSyncKind('kind')} do nothing
       returning *),
     marked as (
       update storage set last_run = fresh.id, last_sync_count = null from fresh
       where storage.id = ${storageId} and ${isSyncKind('fresh.kind')})
     select * from fresh`,
  )
  if (row && chosen.length > 0) {
    const annotations = [...new Set(chosen)]
    await execute(
      tx,
      sql`insert into chosen_annotation (run_id, annotation) select ${row.id}, unnest(${annotations}::bigint[])`,
    )
  }
  if (row && keys.length > 0) {
    await execute(tx, sql`insert into sync_key (run_id, kind, key) select ${row.id}, 'CHOSEN', unnest(${keys}::text[])`)
  }
  return row
}

/** Records the job of a run, unless the run has changed meanwhile. */
export async function setJob(em: EntityManager, run: RunLease, jobId: string): Promise<void> {
  await execute(em, sql`update sync_run set job_id = ${jobId} where ${ofAttempt(run)}`)
}

/** QUEUED → IN_PROGRESS for exactly this attempt; undefined if the run does not wait for it. */
export async function beginRun(em: EntityManager, run: RunLease): Promise<SyncRun | undefined> {
  const row = await transition(em, {
    set: sql`status = 'IN_PROGRESS', requeued = false, started_at = coalesce(started_at, now()), heartbeat_at = now(),
          first_link = coalesce(first_link,
            (select case when is_called then last_value else 0 end from import_link_id_seq))`,
    where: sql`${ofAttempt(run)} and status = 'QUEUED'`,
  })
  return row && toRun(em, row)
}

/** Renews the lease of the run and returns its state. A worker must stop unless it is HELD. */
export async function heartbeat(em: EntityManager, run: RunLease): Promise<'HELD' | 'CANCELED' | 'OUTDATED' | 'LOST'> {
  const [row] = await execute<{ cancel_requested: boolean; outdated: boolean }>(
    em,
    sql`update sync_run set heartbeat_at = clock_timestamp(), waiting = ${stillWaiting} where ${leasedRun(run)}
     returning cancel_requested, outdated`,
  )
  if (!row) return 'LOST'
  if (row.cancel_requested) return 'CANCELED'
  return row.outdated ? 'OUTDATED' : 'HELD'
}

/**
 * IN_PROGRESS → a final state; also updates the storage's last sync. False if the lease was lost, or if an outdated run would be
 * COMPLETED.
 */
export async function finishRun(
  em: EntityManager,
  run: RunLease,
  status: 'COMPLETED' | 'FAILED' | 'CANCELED',
  failure: string | null = null,
): Promise<boolean> {
  const row = await transition(em, {
    set: sql`status = case when ${status} = 'COMPLETED' and failed > 0 then 'COMPLETED_WITH_ERRORS' else ${status} end,
          failure = ${failure}, finished_at = now(), heartbeat_at = now(), waiting = null`,
    where: status === 'COMPLETED' ? heldRun(run) : leasedRun(run),
  })
  return row !== undefined
}

interface StaleGuard {
  /** Changes nothing if the last heartbeat of the run is younger than this number of seconds. */
  staleSeconds?: number
}

interface RequeueOptions extends StaleGuard {
  /** The attempt does not count, because the run did not cause its end. */
  isUncounted?: boolean
  /** The job vanished from the queue before the run began. The attempt does not count. */
  isRequeued?: boolean
}

// PostgreSQL checks this again after it waited for the row: a run whose page is being written is alive.
const isStale = (seconds: number | undefined): RawBuilder<SqlBool> =>
  seconds === undefined
    ? sql`true`
    : sql`(status <> 'IN_PROGRESS' or heartbeat_at < clock_timestamp() - make_interval(secs => ${seconds}))`

/**
 * IN_PROGRESS → QUEUED with the next attempt, when its worker stops or is lost. The run continues at its checkpoint, in the slot
 * that its project has. A run with a cancel request becomes CANCELED. Undefined if no worker needs to continue it.
 */
export async function requeueRun(
  em: EntityManager,
  run: RunLease,
  { staleSeconds, isUncounted = false, isRequeued = false }: RequeueOptions = {},
): Promise<RunLease | undefined> {
  const row = await transition(em, {
    set: sql`status = case when cancel_requested then 'CANCELED' else 'QUEUED' end,
          finished_at = case when cancel_requested then now() end,
          attempt = attempt + (not cancel_requested)::int, job_id = null, lane = coalesce(lane, 'MAIN'), heartbeat_at = now(),
          excused = excused + ${isUncounted || isRequeued ? 1 : 0}, requeued = ${isRequeued}`,
    where: sql`${ofAttempt(run)} and status in ('IN_PROGRESS', 'QUEUED') and ${isStale(staleSeconds)}`,
  })
  return row?.status === 'QUEUED' ? { id: run.id, attempt: run.attempt + 1 } : undefined
}

/** Any active state → FAILED, for a run without a worker. */
export async function failRun(
  em: EntityManager,
  run: RunLease,
  { failure, staleSeconds }: { failure: string } & StaleGuard,
): Promise<void> {
  await transition(em, {
    set: sql`status = 'FAILED', failure = ${failure}, finished_at = now()`,
    where: sql`${ofAttempt(run)} and status in ('QUEUED', 'IN_PROGRESS') and ${isStale(staleSeconds)}`,
  })
}

/**
 * Cancels a run. A queued run is CANCELED at once; the worker of a run in progress stops it within moments. Undefined if the run
 * has ended.
 */
export async function cancelRun(em: EntityManager, id: number): Promise<SyncRun | undefined> {
  const row = await transition(em, {
    set: sql`cancel_requested = true,
          status = case status when 'QUEUED' then 'CANCELED' else status end,
          finished_at = case status when 'QUEUED' then now() end`,
    where: sql`id = ${id} and status in ('QUEUED', 'IN_PROGRESS')`,
  })
  return row && toRun(em, row)
}

/** Any active state → CANCELED at once. The worker of the run finds out with its next write or heartbeat. */
export async function abandonRun(em: EntityManager, id: number): Promise<void> {
  await transition(em, {
    set: sql`status = 'CANCELED', cancel_requested = true, finished_at = now(), waiting = null`,
    where: sql`id = ${id} and status in ('QUEUED', 'IN_PROGRESS')`,
  })
}

/** One conditional UPDATE with its event. Returns the new row, or undefined if the condition was false. */
async function transition(
  em: EntityManager,
  { set, where }: { set: RawBuilder<unknown>; where: RawBuilder<SqlBool> },
): Promise<RunRow | undefined> {
  return em.fork().transactional(async (tx) => {
    const [row] = await execute<RunRow>(tx, sql`update sync_run set ${set} where ${where} returning *`)
    if (!row) return undefined
    const { isSync } = policyOf(row.kind)
    if (isSync && row.finished_at !== null && row.started_at !== null) {
      const count = Number(row.created) + Number(row.exported)
      await execute(
        tx,
        sql`update storage set last_sync_at = ${row.finished_at}, last_sync_count = ${count} where id = ${row.storage_id}`,
      )
    }
    if (isSync && row.finished_at !== null) await recordOutcome(tx, row.storage_id, row.status)
    await recordEvent(tx, 'STATUS', { type: 'RUN', id: Number(row.id) })
    return row
  })
}
