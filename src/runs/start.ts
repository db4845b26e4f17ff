import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { runPolicies } from '../entities/run-policies.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { type ExportScope, type Relocation, type SyncRun, SyncRunEntity } from '../entities/sync-run.ts'
import { ConflictError, NotFoundError, ValidationError } from '../errors.ts'
import type { Queue } from '../queue/agenda.ts'
import { execute } from '../sql.ts'
import { assertRelocation, distinctKeys } from './chosen-keys.ts'
import { dispatchRun, type Share } from './dispatch.ts'
import { cancelRun, isFinal, queueRun } from './run.ts'
import { requestRetry } from './waiting.ts'

/** Options of an export. Null and undefined mean the default. */
export interface ExportOptions {
  exportScope?: ExportScope | null | undefined
  skipUnchanged?: boolean | null | undefined
}

/** Options of a sync. */
interface SyncOptions extends ExportOptions {
  /** Only counts what an import would do. It can run beside a sync. */
  dryRun?: boolean | null | undefined
}

/**
 * Queues a sync of the storage, or returns the active one. It commits before it enqueues the job, so a job always finds its row; if
 * the process dies between the two, the sweeper enqueues the job. While its project uses its share of the slots, the run waits
 * without a job. A run that waits for an unavailable storage retries at once, whichever process works on it.
 */
export async function startSync(
  { em, queue }: { em: EntityManager; queue: Queue },
  storageId: Storage['id'],
  { exportScope, skipUnchanged, dryRun }: SyncOptions = {},
): Promise<SyncRun> {
  const storage = await em.fork().findOne(StorageEntity, storageId)
  if (!storage) throw new NotFoundError('There is no such storage.')
  assertDirection(storage, { exportScope, skipUnchanged })
  if (dryRun && !runPolicies.DRY_RUN.directions.includes(storage.direction)) {
    throw new ValidationError([{ path: 'input.dryRun', message: 'is for imports, and this is an export storage' }])
  }
  const { run, isNew } = await queueRun(em, storageId, {
    ...(dryRun && { kind: 'DRY_RUN' }),
    ...(exportScope && { exportScope }),
    skipUnchanged: skipUnchanged ?? false,
  })
  if (isNew) await dispatchRun({ em, queue }, shareOf(run))
  else if (run.waiting && (await requestRetry(em, run.id))) return em.fork().findOneOrFail(SyncRunEntity, run.id)
  return run
}

/** @throws ValidationError if an import has options that only exports have */
export function assertDirection({ direction }: Storage, { exportScope, skipUnchanged }: ExportOptions): void {
  if (direction === 'EXPORT' || !(exportScope || skipUnchanged)) return
  const path = exportScope ? 'input.exportScope' : 'input.skipUnchanged'
  throw new ValidationError([{ path, message: 'is for exports, and this is an import storage' }])
}

/**
 * Queues an export of the given annotations (in TASK format: of their tasks). It can run beside a sync and does not change the
 * status of the storage. @throws NotFoundError if one of them does not belong to the storage's project
 */
export async function startChosen(
  { em, queue }: { em: EntityManager; queue: Queue },
  storageId: Storage['id'],
  { annotations, skipUnchanged }: { annotations: number[] } & Pick<ExportOptions, 'skipUnchanged'>,
): Promise<SyncRun> {
  const storage = await em.fork().findOne(StorageEntity, { id: storageId, direction: 'EXPORT' })
  if (!storage) throw new NotFoundError('There is no such export storage.')
  const chosen = [...new Set(annotations)]
  const found = await execute(
    em,
    sql`select a.id from annotation a join task t on t.id = a.task_id
     where a.id = any(${chosen}::bigint[]) and t.project_id = ${storage.project}`,
  )
  if (found.length < chosen.length)
    throw new NotFoundError('There is no such annotation in the project of the storage.')
  const { run } = await queueRun(em, storageId, { kind: 'CHOSEN', chosen, skipUnchanged: skipUnchanged ?? false })
  await dispatchRun({ em, queue }, shareOf(run))
  return run
}

/**
 * Queues an import of the objects of these keys. It can run beside a sync and does not change the status of the storage.
 * @throws NotFoundError if there is no such import storage; ValidationError as `distinctKeys`; ConflictError as `queueRun`
 */
export async function startImportOfKeys(
  { em, queue }: { em: EntityManager; queue: Queue },
  storageId: Storage['id'],
  keys: string[],
): Promise<SyncRun> {
  const distinct = distinctKeys(keys)
  const storage = await em.fork().findOne(StorageEntity, { id: storageId, direction: 'IMPORT' })
  if (!storage) throw new NotFoundError('There is no such import storage.')
  const { run } = await queueRun(em, storage.id, { kind: 'CHOSEN', keys: distinct })
  await dispatchRun({ em, queue }, shareOf(run))
  return run
}

/**
 * Queues a run that gives links the keys of another prefix. It can run beside a sync, reads nothing from the bucket and does not change
 * the status of the storage. @throws NotFoundError if there is no such import storage; ValidationError; ConflictError as `queueRun`
 */
export async function startRelocation(
  { em, queue }: { em: EntityManager; queue: Queue },
  storageId: Storage['id'],
  relocation: Relocation,
): Promise<SyncRun> {
  assertRelocation(relocation)
  const storage = await em.fork().findOne(StorageEntity, { id: storageId, direction: 'IMPORT' })
  if (!storage) throw new NotFoundError('There is no such import storage.')
  const { run } = await queueRun(em, storage.id, { kind: 'RELOCATE', relocation })
  await dispatchRun({ em, queue }, shareOf(run))
  return run
}

/** Queues a run for the objects that failed in another run. @throws NotFoundError; ConflictError if none failed or the run is active */
export async function startRetry(
  { em, queue }: { em: EntityManager; queue: Queue },
  runId: SyncRun['id'],
): Promise<SyncRun> {
  const failed = await em.fork().findOne(SyncRunEntity, runId)
  if (!failed) throw new NotFoundError('There is no such run.')
  if (!isFinal(failed.status)) throw new ConflictError('The run has not ended yet.')
  if (failed.failed === 0) throw new ConflictError('Nothing has failed in this run.')
  const { run, isNew } = await queueRun(em, failed.storage, { kind: 'RETRY', retryOf: failed.id })
  if (isNew) await dispatchRun({ em, queue }, shareOf(run))
  return run
}

/** The project and direction whose slot a run uses. */
export const shareOf = ({ shareProject, shareDirection }: SyncRun): Share => ({
  project: shareProject,
  direction: shareDirection,
})

/** Cancels a run, and removes its job if it has not begun. Undefined if the run has ended. */
export async function cancelSync(
  { em, queue }: { em: EntityManager; queue: Queue },
  runId: number,
): Promise<SyncRun | undefined> {
  const run = await cancelRun(em, runId)
  if (run?.status === 'CANCELED') {
    if (run.jobId) await queue.remove(run.jobId)
    await dispatchRun({ em, queue }, shareOf(run))
  }
  return run
}
