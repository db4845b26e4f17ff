import type { EntityManager } from '@mikro-orm/postgresql'
import { isSyncKind, policyOf } from '../entities/run-policies.ts'
import { type ExportScope, type RunKind, type SyncRun, SyncRunEntity, type SyncStatus } from '../entities/sync-run.ts'
import { ConflictError } from '../errors.ts'
import { recordEvent } from '../events/log.ts'
import { sql } from '../sql.ts'
import type { RunLease } from './lease.ts'
import { noteOutcome } from './schedule-pause.ts'
import { stillWaiting } from './waiting.ts'

/** Number of attempts before a run fails. Excused attempts, such as those of a worker that shut down, do not count. */
export const maxAttempts = 3

/** True if the status is final. */
export function isFinal(status: SyncStatus): boolean {
  return status !== 'QUEUED' && status !== 'IN_PROGRESS'
}

/** Converts a row of `sync_run`, from SQL or the event log, to a run. */
export function toRun(em: EntityManager, row: Record<string, unknown>): SyncRun {
  return em.fork().map(SyncRunEntity, row) as SyncRun
}

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
    const [paused] = await sql(em, 'select id from storage where id = $1 and not synchronizable', [storageId])
    if (paused) throw new ConflictError(undefined, 'STORAGE_PAUSED')
    const [active] = await sql(
      em,
      `select * from sync_run
       where storage_id = $1 and status in ('QUEUED', 'IN_PROGRESS') and ${isSyncKind('kind')}`,
      [storageId],
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
  { kind = 'SYNC', retryOf = null, exportScope = 'ALL', skipUnchanged = false, chosen = [], keys = [] }: RunOptions,
): Promise<Record<string, unknown> | undefined> {
  const [row] = await sql(
    tx,
    `with fresh as (
       insert into sync_run (storage_id, kind, retry_of, export_scope, skip_unchanged)
       select id, $2::text, $3::bigint, $4::text, $5::boolean from storage where id = $1 and synchronizable
       on conflict (storage_id) where status in ('QUEUED', 'IN_PROGRESS') and ${isSyncKind('kind')} do nothing
       returning *),
     marked as (
       update storage set last_run = fresh.id, last_sync_count = null from fresh
       where storage.id = $1 and ${isSyncKind('fresh.kind')})
     select * from fresh`,
    [storageId, kind, retryOf, exportScope, skipUnchanged],
  )
  if (row && chosen.length > 0) {
    const text = 'insert into chosen_annotation (run_id, annotation) select $1, unnest($2::bigint[])'
    await sql(tx, text, [row.id, [...new Set(chosen)]])
  }
  if (row && keys.length > 0) {
    await sql(tx, `insert into sync_key (run_id, kind, key) select $1, 'CHOSEN', unnest($2::text[])`, [row.id, keys])
  }
  return row
}

/** Records the job of a run, unless the run has changed meanwhile. */
export async function setJob(em: EntityManager, { id, attempt }: RunLease, jobId: string): Promise<void> {
  await sql(em, 'update sync_run set job_id = $3 where id = $1 and attempt = $2', [id, attempt, jobId])
}

/** QUEUED → IN_PROGRESS for exactly this attempt; undefined if the run does not wait for it. */
export async function beginRun(em: EntityManager, hold: RunLease): Promise<SyncRun | undefined> {
  const row = await transition(em, {
    set: `status = 'IN_PROGRESS', requeued = false, started_at = coalesce(started_at, now()), heartbeat_at = now(),
          first_link = coalesce(first_link,
            (select case when is_called then last_value else 0 end from import_link_id_seq))`,
    where: `id = $1 and attempt = $2 and status = 'QUEUED'`,
    params: [hold.id, hold.attempt],
  })
  return row && toRun(em, row)
}

/** Renews the lease of the run and returns its state. A worker whose run is LOST must stop. */
export async function heartbeat(em: EntityManager, { id, attempt }: RunLease): Promise<'HELD' | 'CANCELED' | 'LOST'> {
  const [row] = await sql<{ cancel_requested: boolean }>(
    em,
    `update sync_run set heartbeat_at = clock_timestamp(), waiting = ${stillWaiting} where id = $1 and attempt = $2 and status = 'IN_PROGRESS'
     returning cancel_requested`,
    [id, attempt],
  )
  if (!row) return 'LOST'
  return row.cancel_requested ? 'CANCELED' : 'HELD'
}

/** IN_PROGRESS → a final state; also updates the storage's last sync. False if the lease was lost. */
export async function finishRun(
  em: EntityManager,
  { id, attempt }: RunLease,
  status: 'COMPLETED' | 'FAILED' | 'CANCELED',
  failure: string | null = null,
): Promise<boolean> {
  const row = await transition(em, {
    set: `status = case when $3 = 'COMPLETED' and failed > 0 then 'COMPLETED_WITH_ERRORS' else $3 end,
          failure = $4, finished_at = now(), heartbeat_at = now(), waiting = null`,
    where: `id = $1 and attempt = $2 and status = 'IN_PROGRESS'`,
    params: [id, attempt, status, failure],
  })
  return row !== undefined
}

interface StaleGuard {
  /** Changes nothing if the last heartbeat of the run is younger than this number of seconds. */
  staleSeconds?: number
}

interface HandBack extends StaleGuard {
  /** The attempt does not count, because the run did not cause its end. */
  isExcused?: boolean
  /** The job vanished from the queue before the run began. The attempt does not count. */
  isRequeued?: boolean
}

// PostgreSQL checks this again after it waited for the row: a run whose page is being written is alive.
const isStale = (seconds: string) =>
  `(${seconds}::float8 is null or status <> 'IN_PROGRESS'
    or heartbeat_at < clock_timestamp() - make_interval(secs => ${seconds}))`

/**
 * IN_PROGRESS → QUEUED with the next attempt, when its worker stops or is lost. The run continues at its checkpoint, in the slot
 * that its project has. A run with a cancel request becomes CANCELED. Undefined if no worker needs to continue it.
 */
export async function requeueRun(
  em: EntityManager,
  { id, attempt }: RunLease,
  { staleSeconds, isExcused = false, isRequeued = false }: HandBack = {},
): Promise<RunLease | undefined> {
  const row = await transition(em, {
    set: `status = case when cancel_requested then 'CANCELED' else 'QUEUED' end,
          finished_at = case when cancel_requested then now() end,
          attempt = attempt + (not cancel_requested)::int, job_id = null, lane = coalesce(lane, 'MAIN'), heartbeat_at = now(),
          excused = excused + ($4::boolean or $5::boolean)::int, requeued = $5`,
    where: `id = $1 and attempt = $2 and status in ('IN_PROGRESS', 'QUEUED') and ${isStale('$3')}`,
    params: [id, attempt, staleSeconds ?? null, isExcused, isRequeued],
  })
  return row?.status === 'QUEUED' ? { id, attempt: attempt + 1 } : undefined
}

/** Any active state → FAILED, for a run without a worker. */
export async function failRun(
  em: EntityManager,
  { id, attempt }: RunLease,
  { failure, staleSeconds }: { failure: string } & StaleGuard,
): Promise<void> {
  await transition(em, {
    set: `status = 'FAILED', failure = $3, finished_at = now()`,
    where: `id = $1 and attempt = $2 and status in ('QUEUED', 'IN_PROGRESS') and ${isStale('$4')}`,
    params: [id, attempt, failure, staleSeconds ?? null],
  })
}

/**
 * Cancels a run. A queued run is CANCELED at once; the worker of a run in progress stops it within moments. Undefined if the run
 * has ended.
 */
export async function cancelRun(em: EntityManager, id: number): Promise<SyncRun | undefined> {
  const row = await transition(em, {
    set: `cancel_requested = true,
          status = case status when 'QUEUED' then 'CANCELED' else status end,
          finished_at = case status when 'QUEUED' then now() end`,
    where: `id = $1 and status in ('QUEUED', 'IN_PROGRESS')`,
    params: [id],
  })
  return row && toRun(em, row)
}

/** One conditional UPDATE with its event. Returns the new row, or undefined if the condition was false. */
async function transition(
  em: EntityManager,
  { set, where, params }: { set: string; where: string; params: unknown[] },
): Promise<Record<string, unknown> | undefined> {
  return em.fork().transactional(async (tx) => {
    const [row] = await sql(tx, `update sync_run set ${set} where ${where} returning *`, params)
    if (!row) return undefined
    const { isSync } = policyOf(row.kind)
    if (isSync && row.finished_at !== null && row.started_at !== null) {
      await sql(tx, 'update storage set last_sync_at = $2, last_sync_count = $3 where id = $1', [
        row.storage_id,
        row.finished_at,
        Number(row.created) + Number(row.exported),
      ])
    }
    if (isSync && row.finished_at !== null) await noteOutcome(tx, row.storage_id, row.status as SyncStatus)
    await recordEvent(tx, 'STATUS', { type: 'RUN', id: Number(row.id) })
    return row
  })
}
