import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { createAdaptiveLimit } from '../adaptive.ts'
import type { Connect } from '../connect.ts'
import { SluiceError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { createBreaker } from '../runs/breaker.ts'
import { missedHeartbeats } from '../runs/sweep.ts'
import { execute, storableText } from '../sql.ts'
import { commitResults, StorageChanged, waitSeconds } from './commit-results.ts'
import { type Claim, LeaseLost, openLease } from './lease.ts'
import { writeBatches } from './pipeline.ts'
import { recordFailure } from './record-failure.ts'
import type { Outcome } from './write.ts'

const batchSize = 100

/** What a drain needs. */
export interface DrainDeps {
  em: EntityManager
  connect: Connect
  logger: Logger
  writeConcurrency: number
  heartbeatSeconds: number
}

/**
 * Enqueues a job for every export storage with due rows, unless a job is active or the storage was unavailable a moment ago. A drain
 * whose process died is replaced after the storage's `drain_at`.
 */
export async function sweepOutbox(
  { em, queue }: { em: EntityManager; queue: Queue },
  heartbeatSeconds: number,
): Promise<void> {
  const due = await execute<{ id: string }>(
    em,
    sql`update storage s set drain_at = now() + make_interval(secs => ${heartbeatSeconds * missedHeartbeats})
     where s.direction = 'EXPORT' and s.synchronizable and (s.drain_at is null or s.drain_at <= now())
       and exists (select 1 from outbox o where o.storage_id = s.id and o.due_at <= now())
     returning s.id`,
  )
  for (const { id } of due) await queue.enqueue(jobs.drainOutbox, { storageId: Number(id) })
}

/**
 * Writes all due exports of a storage. Several drains can work on one storage at the same time. After a failure to reach the storage,
 * the next try waits, each time longer.
 */
export async function drainOutbox(deps: DrainDeps, storage: number, stopping: AbortSignal): Promise<void> {
  const { em, connect, logger, heartbeatSeconds } = deps
  const leaseSeconds = heartbeatSeconds * missedHeartbeats
  const lease = openLease(em, leaseSeconds, stopping)
  let retryInSeconds: number | undefined
  const batches = async function* () {
    while (retryInSeconds === undefined) {
      const claims = await lease.claimDue(storage, batchSize)
      if (claims.length === 0) return
      yield { claims }
    }
  }
  const commit = async ({ claims }: { claims: Claim[] }, outcomes: Outcome[], version: number | undefined) => {
    const save = (tx: EntityManager) => commitResults(tx, { storage, version, token: lease.token }, outcomes)
    try {
      if (outcomes.some(({ is }) => is === 'FAILED')) await recordFailure(em, storage, save)
      else await em.fork().transactional(save)
    } catch (error) {
      if (!(error instanceof StorageChanged)) throw error
      // The objects are written again, to where the storage is now.
      return releaseClaims(em, lease.token, claims)
    }
    if (!outcomes.some(({ is }) => is === 'UNTRIED')) return
    retryInSeconds = waitSeconds(1 + Math.max(...claims.map(({ attempts }) => attempts)))
  }
  const heartbeats = setInterval(() => delayDrain(em, storage, leaseSeconds).catch(() => {}), heartbeatSeconds * 1_000)
  try {
    const limit = createAdaptiveLimit(deps.writeConcurrency)
    // A drain does not wait for an unavailable storage; the exports stay pending.
    const breaker = createBreaker({ retryWindowMs: null, hasResponded: false, report: () => {} })
    const options = { em, connect, storage, lease, limit, breaker, skipUnchanged: false, givesUp: true }
    await writeBatches(options, batches(), commit)
  } catch (error) {
    if (error instanceof LeaseLost || stopping.aborted) return
    // The storage cannot be opened: its credentials cannot be decrypted, or its address is blocked.
    if (!(error instanceof SluiceError)) throw error
    logger.warn({ err: error, storage }, 'pending exports cannot be written')
    retryInSeconds = waitSeconds(5)
    const failed = { storage, token: lease.token, failure: error.message, retryInSeconds }
    await recordFailure(em, storage, (tx) => saveFailure(tx, failed))
  } finally {
    clearInterval(heartbeats)
    lease.end()
    await delayDrain(em, storage, retryInSeconds ?? 0)
  }
}

/** Makes claims due at once. */
async function releaseClaims(em: EntityManager, token: string, claims: Claim[]): Promise<void> {
  await execute(
    em,
    sql`update outbox set lease = null, due_at = now()
     where id = any(${claims.map(({ id }) => id)}::bigint[]) and lease = ${token}`,
  )
}

/** The sweeper enqueues no drain of the storage in the next `seconds`. */
async function delayDrain(em: EntityManager, storage: number, seconds: number): Promise<void> {
  await execute(em, sql`update storage set drain_at = now() + make_interval(secs => ${seconds}) where id = ${storage}`)
}

async function saveFailure(
  em: EntityManager,
  {
    storage,
    token,
    failure,
    retryInSeconds,
  }: { storage: number; token: string; failure: string; retryInSeconds: number },
): Promise<void> {
  await execute(
    em,
    sql`update outbox set lease = null, attempts = attempts + 1, failure = ${storableText(failure)},
       due_at = now() + make_interval(secs => ${retryInSeconds})
     where storage_id = ${storage} and lease = ${token}`,
  )
}
