import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { JobState, Queue } from '../queue/agenda.ts'
import { execute } from '../sql.ts'
import { dispatchRuns, enqueueRun, isWaiting } from './dispatch.ts'
import { failRun, maxAttempts, requeueRun } from './run.ts'

/** A run is lost after this many missed heartbeats. */
export const missedHeartbeats = 5
// A queued run without a job is normal for a moment, because its job is recorded after its commit. Also the interval between two
// lookups of a job.
const enqueueSeconds = 5

/** A run without recent heartbeats. */
interface StaleRun {
  id: string
  attempt: number
  excused: number
  requeued: boolean
  cancel_requested: boolean
  status: 'QUEUED' | 'IN_PROGRESS'
  job_id: string | null
}

interface SweepDeps {
  em: EntityManager
  queue: Queue
}

/**
 * Finds runs without a worker, of one project or of all. A run in progress without heartbeats continues at its checkpoint with the
 * next attempt; after the last attempt it fails, and with a cancel request it is canceled. A queued run whose job has vanished is
 * enqueued once more, then it fails. Runs that wait for their project's share are admitted if there is a slot. Several processes
 * can do this at the same time, because every statement checks the attempt.
 */
export async function sweepRuns(deps: SweepDeps, heartbeatSeconds: number, project?: number): Promise<void> {
  const staleSeconds = heartbeatSeconds * missedHeartbeats
  const staleRuns = await execute<StaleRun>(
    deps.em,
    sql`select r.id, r.attempt, r.excused, r.requeued, r.cancel_requested, r.status, r.job_id
     from sync_run r join storage s on s.id = r.storage_id
     where r.status in ('QUEUED', 'IN_PROGRESS') and not ${isWaiting('r')}
       and ${project === undefined ? sql`true` : sql`s.project_id = ${project}`}
       and greatest(r.queued_at, r.heartbeat_at)
         < now() - make_interval(secs => case r.status when 'QUEUED' then ${enqueueSeconds}::float8 else ${staleSeconds}::float8 end)
     order by r.status, r.id`,
  )
  const waiting: string[] = []
  for (const run of staleRuns) {
    if (run.status === 'IN_PROGRESS') {
      await takeOver(deps, run, staleSeconds)
      continue
    }
    const job = await jobOf(deps, run)
    if (job?.is === 'ALIVE') waiting.push(run.id)
    else await requeue(deps, run, job)
  }
  // A queued run is alive while its job exists.
  if (waiting.length > 0) {
    await execute(
      deps.em,
      sql`update sync_run set heartbeat_at = now() where id = any(${waiting}::bigint[]) and status = 'QUEUED'`,
    )
  }
  // The caller does not wait for the runs of other projects.
  if (project === undefined) await dispatchRuns(deps)
}

const jobOf = async ({ queue }: SweepDeps, { job_id }: StaleRun): Promise<JobState | undefined> =>
  job_id === null ? undefined : queue.look(job_id)

async function takeOver(deps: SweepDeps, run: StaleRun, staleSeconds: number): Promise<void> {
  const { id, attempt, excused, cancel_requested: isCanceled } = run
  const lease = { id: Number(id), attempt }
  const tries = attempt - excused
  if (tries < maxAttempts || isCanceled) {
    const next = await requeueRun(deps.em, lease, { staleSeconds })
    if (next) await enqueueRun(deps, next)
    return
  }
  // The database of the jobs may be down; the state of runs is still updated.
  const job = await jobOf(deps, run).catch(() => undefined)
  const failure =
    job?.is === 'FAILED'
      ? failedText
      : `The worker has given no sign of life for ${staleSeconds} s (attempt ${tries} of ${maxAttempts}). ` +
        'It may have run out of memory. The results so far are saved. Start the sync again.'
  await failRun(deps.em, lease, { failure, staleSeconds })
}

async function requeue(
  deps: SweepDeps,
  { id, attempt, requeued, job_id }: StaleRun,
  job: JobState | undefined,
): Promise<void> {
  const lease = { id: Number(id), attempt }
  // A process died, or lost its connection to the queue, before it enqueued the job.
  if (!job) return enqueueRun(deps, lease)
  if (!requeued) {
    const next = await requeueRun(deps.em, lease, { isRequeued: true })
    if (next) await enqueueRun(deps, next)
  } else {
    const jobLost = 'The job is gone from the queue, and so was the one before. Start the sync again.'
    await failRun(deps.em, lease, { failure: job.is === 'FAILED' ? failedText : jobLost })
  }
  if (job.is === 'FAILED') await deps.queue.remove(job_id!)
}

const failedText = 'The job has failed without a report. The results so far are saved. Start the sync again.'
