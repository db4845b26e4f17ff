import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { SyncStatus } from '../entities/sync-run.ts'
import { execute } from '../sql.ts'
import { nextTick } from './timetable.ts'

/** Number of consecutive failed syncs after which a schedule pauses. */
const pauseAfter = 3
const firstPauseHours = 1
const maxPauseHours = 24

interface ScheduleRow {
  cron: string
  time_zone: string
  jitter_seconds: number
  failures_in_row: number
  paused_at: string | null
  now: string
}

/**
 * Records the result of a sync in the schedule of its storage, in the transaction that ends the run. After three consecutive
 * failures the schedule pauses: it skips its times for 1 hour, after the next failure for 2 hours, then 4, at most 24. A successful
 * sync ends the pause, also one that a client started. A canceled sync changes nothing.
 */
export async function recordOutcome(tx: EntityManager, storageId: string, status: SyncStatus): Promise<void> {
  if (status === 'CANCELED') return
  const hasFailed = status === 'FAILED'
  const [schedule] = await execute<ScheduleRow>(
    tx,
    sql`update sync_schedule set failures_in_row = case when ${hasFailed} then failures_in_row + 1 else 0 end
     where storage_id = ${storageId} and (${hasFailed} or failures_in_row > 0) returning *, now() as now`,
  )
  if (!schedule) return
  const failures = schedule.failures_in_row
  const isPaused = failures >= pauseAfter
  if (!isPaused && schedule.paused_at === null) return
  const timetable = { cron: schedule.cron, timeZone: schedule.time_zone, jitterSeconds: schedule.jitter_seconds }
  const from = Date.parse(schedule.now) + (isPaused ? pauseHours(failures) * 3_600_000 : 0)
  await execute(
    tx,
    sql`update sync_schedule set paused_at = case when ${isPaused} then coalesce(paused_at, now()) end,
       next_run_at = ${nextTick(timetable, new Date(from))}
     where storage_id = ${storageId}`,
  )
}

const pauseHours = (failures: number) => Math.min(firstPauseHours * 2 ** (failures - pauseAfter), maxPauseHours)
