import type { EntityManager } from '@mikro-orm/postgresql'
import type { JobState, Queue } from '../queue/agenda.ts'
import { sql } from '../sql.ts'
import { dispatchRuns, enqueueRun, isWaiting } from './dispatch.ts'
import { failRun, handBack, maxAttempts } from './run.ts'

/** A run without a sign of life for this many heartbeats is lost. */
export const missedBeats = 5
// Between the commit of a queued run and the noting of its job lies a moment that is no fault; and how often a job is looked up.
const enqueueSeconds = 5

interface Stray {
  id: string
  attempt: number
  excused: number
  requeued: boolean
  cancel_requested: boolean
  status: 'QUEUED' | 'IN_PROGRESS'
  job_id: string | null
}

interface SweepParts {
  em: EntityManager
  queue: Queue
}

/**
 * Finds runs that nobody works on any more, of one project or of all. Running ones without a heartbeat continue at their last
 * checkpoint, one attempt higher, or fail when their attempts are used up; those that were to be canceled are. Queued ones whose
 * job has vanished are put into the queue once more, then they fail. Those that wait for their project's share are admitted
 * when there is room. Safe to run in several processes at once, since every
 * step is guarded by the attempt.
 */
export async function sweepRuns(parts: SweepParts, heartbeatSeconds: number, project?: number): Promise<void> {
  const staleSeconds = heartbeatSeconds * missedBeats
  const strays = await sql<Stray>(
    parts.em,
    `select r.id, r.attempt, r.excused, r.requeued, r.cancel_requested, r.status, r.job_id
     from sync_run r join storage s on s.id = r.storage_id
     where r.status in ('QUEUED', 'IN_PROGRESS') and not ${isWaiting('r')} and ($3::bigint is null or s.project_id = $3)
       and greatest(r.queued_at, r.heartbeat_at)
         < now() - make_interval(secs => case r.status when 'QUEUED' then $2::float8 else $1::float8 end)
     order by r.status, r.id`,
    [staleSeconds, enqueueSeconds, project ?? null],
  )
  const waiting: string[] = []
  for (const stray of strays) {
    if (stray.status === 'IN_PROGRESS') {
      await takeOver(parts, stray, staleSeconds)
      continue
    }
    const job = await jobOf(parts, stray)
    if (job?.is === 'ALIVE') waiting.push(stray.id)
    else await putBack(parts, stray, job)
  }
  // That its job was seen is a queued run's sign of life.
  if (waiting.length > 0) {
    const text = `update sync_run set heartbeat_at = now() where id = any($1::bigint[]) and status = 'QUEUED'`
    await sql(parts.em, text, [waiting])
  }
  // Nobody waits for the runs of other projects here.
  if (project === undefined) await dispatchRuns(parts)
}

const jobOf = async ({ queue }: SweepParts, { job_id }: Stray): Promise<JobState | undefined> =>
  job_id === null ? undefined : queue.look(job_id)

async function takeOver(parts: SweepParts, stray: Stray, staleSeconds: number): Promise<void> {
  const { id, attempt, excused, cancel_requested: isCanceled } = stray
  const hold = { id: Number(id), attempt }
  const tries = attempt - excused
  if (tries < maxAttempts || isCanceled) {
    const next = await handBack(parts.em, hold, { staleSeconds })
    if (next) await enqueueRun(parts, next)
    return
  }
  // Where jobs are kept may be away, which must not keep the truth back.
  const job = await jobOf(parts, stray).catch(() => undefined)
  const failure =
    job?.is === 'FAILED'
      ? failedText
      : `The worker has given no sign of life for ${staleSeconds} s (attempt ${tries} of ${maxAttempts}). ` +
        'It may have run out of memory. Start the sync again; what is imported stays.'
  await failRun(parts.em, hold, { failure, staleSeconds })
}

async function putBack(
  parts: SweepParts,
  { id, attempt, requeued, job_id }: Stray,
  job: JobState | undefined,
): Promise<void> {
  const hold = { id: Number(id), attempt }
  // A process died, or lost the queue, before it could enqueue: the run waits for its first job.
  if (!job) return enqueueRun(parts, hold)
  if (!requeued) {
    const next = await handBack(parts.em, hold, { isRequeued: true })
    if (next) await enqueueRun(parts, next)
  } else {
    const gone = 'The job is gone from the queue, and so was the one before. Start the sync again.'
    await failRun(parts.em, hold, { failure: job.is === 'FAILED' ? failedText : gone })
  }
  if (job.is === 'FAILED') await parts.queue.remove(job_id!)
}

const failedText = 'The job has failed without a report. Start the sync again; what is done stays.'
