import type { EntityManager } from '@mikro-orm/postgresql'
import type { Queue } from '../queue/agenda.ts'
import { sql } from '../sql.ts'
import { failRun, handBack, maxAttempts } from './run.ts'
import { enqueueRun } from './start.ts'

/** A run without a sign of life for this many heartbeats is lost. */
export const missedBeats = 5
// Between the commit of a queued run and the noting of its job lies a moment that is no fault.
const enqueueSeconds = 5

interface Stray {
  id: string
  attempt: number
  status: 'QUEUED' | 'IN_PROGRESS'
  job_id: string | null
}

/**
 * Finds runs that nobody works on any more and continues them at their last checkpoint, one attempt higher, or fails them
 * when their attempts are used up: running ones without a heartbeat, and queued ones without a job. Safe to run in several
 * processes at once, since every step is guarded by the attempt.
 */
export async function sweepRuns(
  { em, queue }: { em: EntityManager; queue: Queue },
  heartbeatSeconds: number,
): Promise<void> {
  const staleSeconds = heartbeatSeconds * missedBeats
  const strays = await sql<Stray>(
    em,
    `select id, attempt, status, job_id from sync_run
     where (status = 'IN_PROGRESS' and heartbeat_at < now() - make_interval(secs => $1))
        or (status = 'QUEUED' and greatest(queued_at, heartbeat_at) < now() - make_interval(secs => $2))`,
    [staleSeconds, enqueueSeconds],
  )
  for (const stray of strays) {
    const hold = { id: Number(stray.id), attempt: stray.attempt }
    if (stray.status === 'QUEUED' && stray.job_id !== null && (await queue.has(stray.job_id))) continue
    // A run that was handed back, or whose process died before it could enqueue, waits for its first job.
    if (stray.status === 'QUEUED' && stray.job_id === null) {
      await enqueueRun({ em, queue }, hold)
    } else if (hold.attempt < maxAttempts) {
      const next = await handBack(em, hold, { staleSeconds })
      if (next) await enqueueRun({ em, queue }, next)
    } else {
      await failRun(em, hold, { failure: lostText(stray, heartbeatSeconds), staleSeconds })
    }
  }
}

function lostText({ status, attempt }: Stray, heartbeatSeconds: number): string {
  return status === 'QUEUED'
    ? `The job is gone from the queue, after ${attempt} attempts. Start the sync again.`
    : `The worker has given no sign of life for ${heartbeatSeconds * missedBeats} s (attempt ${attempt} of ${maxAttempts}). ` +
        'It may have run out of memory. Start the sync again; what is imported stays.'
}
