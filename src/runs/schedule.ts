import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import type { ExportScope } from '../entities/sync-run.ts'
import { type SyncSchedule, SyncScheduleEntity } from '../entities/sync-schedule.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { recordEvent } from '../events/log.ts'
import type { Queue } from '../queue/agenda.ts'
import { execute } from '../sql.ts'
import { dispatchRun } from './dispatch.ts'
import { insertRun, toRun } from './run.ts'
import { assertDirection, type ExportOptions, shareOf } from './start.ts'
import { nextTick, timetableErrors } from './timetable.ts'

/** When to sync, and the options of the sync. Null and undefined mean the default. */
interface ScheduleInput extends ExportOptions {
  cron: string
  /** Default: UTC. */
  timeZone?: string | null | undefined
  /** Default: 0. */
  jitterSeconds?: number | null | undefined
}

/**
 * Creates or replaces the schedule of a storage, and ends its pause.
 * @throws NotFoundError; ValidationError with the code BAD_CRON, UNKNOWN_TIME_ZONE, or TOO_FREQUENT if two times are less than
 * `minSeconds` apart
 */
export async function scheduleSync(
  em: EntityManager,
  storageId: Storage['id'],
  { input, minSeconds }: { input: ScheduleInput; minSeconds: number },
): Promise<SyncSchedule> {
  const storage = await em.fork().findOne(StorageEntity, storageId)
  if (!storage) throw new NotFoundError('There is no such storage.')
  assertDirection(storage, input)
  const timetable = {
    cron: input.cron.trim(),
    timeZone: input.timeZone ?? 'UTC',
    jitterSeconds: input.jitterSeconds ?? 0,
  }
  const errors = timetableErrors(timetable, minSeconds)
  if (errors.length > 0) throw new ValidationError(errors.map((error) => ({ ...error, path: `input.${error.path}` })))
  const next = nextTick(timetable, await databaseTime(em))
  await execute(
    em,
    sql`insert into sync_schedule
       (storage_id, cron, time_zone, jitter_seconds, export_scope, skip_unchanged, next_run_at)
     values (${storageId}, ${timetable.cron}, ${timetable.timeZone}, ${timetable.jitterSeconds},
       ${input.exportScope ?? 'ALL'}, ${input.skipUnchanged ?? false}, ${next})
     on conflict (storage_id) do update set
       cron = excluded.cron, time_zone = excluded.time_zone, jitter_seconds = excluded.jitter_seconds,
       export_scope = excluded.export_scope, skip_unchanged = excluded.skip_unchanged,
       next_run_at = excluded.next_run_at, failures_in_row = 0, paused_at = null, updated_at = now()`,
  )
  return em.fork().findOneOrFail(SyncScheduleEntity, storageId)
}

/** Deletes the schedule of a storage, if it has one. An active sync continues. @throws NotFoundError */
export async function unscheduleSync(em: EntityManager, storageId: Storage['id']): Promise<void> {
  const [storage] = await execute(em, sql`select id from storage where id = ${storageId}`)
  if (!storage) throw new NotFoundError('There is no such storage.')
  await execute(em, sql`delete from sync_schedule where storage_id = ${storageId}`)
}

interface DueSchedule {
  storage_id: string
  cron: string
  time_zone: string
  jitter_seconds: number
  export_scope: ExportScope
  skip_unchanged: boolean
  next_run_at: string
  updated_at: string
  now: string
}

const maxDue = 1_000

/**
 * Queues a sync for every schedule whose time has come, at most 1,000 per call. Several missed times start one sync, and a time
 * during an active sync is skipped. Projects take turns. Several processes can call it at the same time: the new run and the next
 * time of the schedule are one commit, and only the first one succeeds.
 */
export async function runSchedules(deps: { em: EntityManager; queue: Queue }): Promise<void> {
  const due = await execute<DueSchedule>(
    deps.em,
    sql`select * from (
       select d.*, now() as now, row_number() over (partition by s.project_id order by d.next_run_at) as turn
       from sync_schedule d join storage s on s.id = d.storage_id where d.next_run_at <= now()) due
     order by turn, next_run_at limit ${maxDue}`,
  )
  const errors: unknown[] = []
  for (const schedule of due) await startDue(deps, schedule).catch((error) => errors.push(error))
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} schedules could not be followed.`)
}

/** Another process has handled this time of the schedule, or the schedule has changed. */
class AlreadyStarted extends Error {}

async function startDue({ em, queue }: { em: EntityManager; queue: Queue }, due: DueSchedule): Promise<void> {
  const timetable = { cron: due.cron, timeZone: due.time_zone, jitterSeconds: due.jitter_seconds }
  const next = nextTick(timetable, new Date(due.now))
  const started = em.fork().transactional(async (tx) => {
    // Locks the row of the schedule last, as the end of a run does. Another order could cause a deadlock.
    const run = await insertRun(tx, Number(due.storage_id), {
      exportScope: due.export_scope,
      skipUnchanged: due.skip_unchanged,
    })
    const updated = await execute(
      tx,
      sql`update sync_schedule set next_run_at = ${next}, last_run = coalesce(${run?.id ?? null}, last_run)
       where storage_id = ${due.storage_id} and next_run_at = ${due.next_run_at} and updated_at = ${due.updated_at}
       returning storage_id`,
    )
    if (updated.length === 0) throw new AlreadyStarted()
    if (run) await recordEvent(tx, 'STATUS', { type: 'RUN', id: Number(run.id) })
    return run && toRun(tx, run)
  })
  const run = await started.catch((error) => {
    if (!(error instanceof AlreadyStarted)) throw error
  })
  if (run) await dispatchRun({ em, queue }, shareOf(run))
}

async function databaseTime(em: EntityManager): Promise<Date> {
  const [row] = await execute<{ now: string }>(em, sql`select now() as now`)
  return new Date(row!.now)
}
