import type { EntityManager } from '@mikro-orm/postgresql'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { NotFoundError } from '../errors.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { cancelRun, queueRun, type RunHold, setJob } from './run.ts'

/**
 * Queues a sync of the storage and answers with its run, or with the one that is queued or in progress already. Commits
 * before it enqueues: a job never looks for a row that is not there, and a crash in between leaves a queued run without a
 * job, which the sweeper puts into the queue.
 */
export async function startSync(
  { em, queue }: { em: EntityManager; queue: Queue },
  storageId: Storage['id'],
): Promise<SyncRun> {
  if ((await em.fork().count(StorageEntity, { id: storageId })) === 0)
    throw new NotFoundError('There is no such storage.')
  const { run, isNew } = await queueRun(em, storageId)
  if (isNew) await enqueueRun({ em, queue }, run)
  return run
}

/** Puts the job of a queued run into the queue. */
export async function enqueueRun({ em, queue }: { em: EntityManager; queue: Queue }, run: RunHold): Promise<void> {
  const jobId = await queue.enqueue(jobs.importStorage, { runId: run.id, attempt: run.attempt })
  await setJob(em, run, jobId)
}

/** Cancels a run and takes its job out of the queue if it has not begun. Undefined when the run has ended already. */
export async function cancelSync(
  { em, queue }: { em: EntityManager; queue: Queue },
  runId: number,
): Promise<SyncRun | undefined> {
  const run = await cancelRun(em, runId)
  if (run?.status === 'CANCELED' && run.jobId) await queue.remove(run.jobId)
  return run
}
