import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Connect } from '../connect.ts'
import { policyOf } from '../entities/run-policies.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { errorTable } from '../errors/table.ts'
import { describeError, SluiceError } from '../errors.ts'
import type { EventHub } from '../events/hub.ts'
import { exportToStorage } from '../export/export.ts'
import { importStorage } from '../import/import.ts'
import { relocateLinks } from '../import/relocate.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { connectRun } from '../runs/connect-run.ts'
import { enqueueRun, tryDispatch } from '../runs/dispatch.ts'
import { isOutdated, type RunLease, RunLost } from '../runs/lease.ts'
import { beginRun, finishRun, heartbeat, maxAttempts, requeueRun } from '../runs/run.ts'
import { openRunBreaker, type RunBreaker } from '../runs/run-breaker.ts'
import { shareOf } from '../runs/start.ts'
import { missedHeartbeats } from '../runs/sweep.ts'

/** What a worker needs to execute runs. */
export interface WorkerDeps {
  em: EntityManager
  queue: Queue
  events: EventHub
  connect: Connect
  logger: Logger
  readConcurrency: number
  writeConcurrency: number
  /** Ranges of one bucket that are listed at the same time. */
  listConcurrency: number
  /** Seconds after which idle workers help with an import. */
  assistAfterSeconds: number
  /** How long a run waits for a location that has responded to it before. */
  retryWindowSeconds: number
  /** Folder in which objects wait until their checksum is verified. */
  spoolFolder: string
  /** Runs that this process executes. */
  activeRuns: Set<number>
  /** Seconds between two heartbeats of a run. */
  heartbeatSeconds: number
}

class Canceled extends Error {}

/**
 * Executes a run from its checkpoint to a final state. It does nothing if the run does not wait for this attempt, because a job can
 * run twice. When `stopping` aborts, the run is requeued and another worker continues at the checkpoint. While the storage is
 * unavailable the run waits; after `retryWindowSeconds` it fails at its checkpoint. Rejects only if the database fails; the sweeper
 * then continues the run.
 */
export async function workOnRun(deps: WorkerDeps, lease: RunLease, stopping: AbortSignal): Promise<void> {
  const { em, logger } = deps
  const run = await beginRun(em, lease)
  if (!run) return
  deps.activeRuns.add(run.id)
  const lost = new AbortController()
  const breaker = openRunBreaker(deps, run, 'LEADS')
  const signal = AbortSignal.any([lost.signal, stopping, breaker.signal])
  const unwatch = watch(deps, lease, { lost, breaker })
  try {
    if (run.outdated) throw new RunLost()
    // A change of the storage after the start makes the run outdated, so it is read after that.
    const storage = await em.fork().findOneOrFail(StorageEntity, run.storage)
    await workOf(run, storage)(deps, { run, storage, breaker, signal })
    if (!(await finishRun(em, lease, 'COMPLETED'))) throw new RunLost()
  } catch (error) {
    if (error instanceof Canceled) await finishRun(em, lease, 'CANCELED')
    else if (await isOutdated(em, lease)) await finishRun(em, lease, 'FAILED', errorTable.STORAGE_CHANGED.message)
    else if (error instanceof RunLost) return
    else if (stopping.aborted) await handOver(deps, lease)
    else if (isTemporary(error, run)) {
      logger.warn({ err: error, run: run.id }, 'a sync met a temporary error and continues at its checkpoint')
      // The sweeper continues it some seconds later.
      await requeueRun(em, lease)
    } else {
      const faultId = randomUUID()
      logger.warn({ err: error, run: run.id, faultId }, 'a sync failed')
      await finishRun(em, lease, 'FAILED', describeError(error, faultId))
    }
  } finally {
    unwatch()
    await breaker.close()
    deps.activeRuns.delete(run.id)
    await tryDispatch(deps, shareOf(run))
  }
}

/** An error that the storage did not cause, such as a database that was down. The next attempt continues at the checkpoint. */
const isTemporary = (error: unknown, { attempt, excused }: SyncRun) =>
  !(error instanceof SluiceError) && attempt - excused < maxAttempts

async function handOver(deps: WorkerDeps, lease: RunLease): Promise<void> {
  const next = await requeueRun(deps.em, lease, { isUncounted: true })
  if (next) await enqueueRun(deps, next)
}

interface Work {
  run: SyncRun
  storage: Storage
  breaker: RunBreaker
  signal: AbortSignal
}

function workOf({ kind }: SyncRun, { direction }: Storage): (deps: WorkerDeps, work: Work) => Promise<void> {
  if (direction === 'EXPORT') return exportTo
  return policyOf(kind).source === 'LINKS' ? ({ em }, work) => relocateLinks(em, work) : importFrom
}

async function importFrom(deps: WorkerDeps, work: Work): Promise<void> {
  const provider = await connectRun(deps, work.storage)
  try {
    await importStorage({ ...deps, ...work, provider })
  } finally {
    provider.close()
  }
}

async function exportTo({ em, connect, writeConcurrency, heartbeatSeconds }: WorkerDeps, work: Work): Promise<void> {
  await exportToStorage({ em, connect, writeConcurrency, leaseSeconds: heartbeatSeconds * missedHeartbeats, ...work })
}

/** Sends heartbeats on a timer, and aborts if the run is lost or canceled. The returned function stops it. */
function watch(
  { em, events, heartbeatSeconds, logger }: WorkerDeps,
  lease: RunLease,
  { lost, breaker }: { lost: AbortController; breaker: RunBreaker },
): () => void {
  const queue = events.open({ subject: { type: 'RUN', id: lease.id } })
  let isSending = false
  const timer = setInterval(() => {
    // One at a time: while a page is written, heartbeats wait for the row of the run.
    if (isSending) return
    isSending = true
    heartbeat(em, lease)
      .then(
        (state) => {
          if (state === 'LOST' || state === 'OUTDATED') lost.abort(new RunLost())
          if (state === 'CANCELED') lost.abort(new Canceled())
        },
        (error) => logger.warn({ err: error, run: lease.id }, 'a heartbeat failed'),
      )
      .finally(() => {
        isSending = false
      })
  }, heartbeatSeconds * 1_000)
  const listen = async () => {
    for (;;) {
      const event = await queue.next()
      if (event === undefined) return
      if (typeof event !== 'object') continue
      if (event.payload.cancel_requested) lost.abort(new Canceled())
      breaker.handleEvent(event.payload)
    }
  }
  listen()
  return () => {
    clearInterval(timer)
    queue.close()
  }
}
