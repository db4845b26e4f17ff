import type { EntityManager } from '@mikro-orm/postgresql'
import { createAdaptiveLimit } from '../adaptive.ts'
import type { Connect } from '../connect.ts'
import { SluiceError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { createBreaker } from '../runs/breaker.ts'
import { missedBeats } from '../runs/sweep.ts'
import { sql } from '../sql.ts'
import { type Claim, LeaseLost, openLease } from './lease.ts'
import { writeBatches } from './pipeline.ts'
import { settleClaims, waitSeconds } from './settle.ts'
import type { Outcome } from './write.ts'

const batchSize = 100

/** What writing pending exports needs. */
export interface DrainParts {
  em: EntityManager
  connect: Connect
  logger: Logger
  writeConcurrency: number
  heartbeatSeconds: number
}

/**
 * Puts a job into the queue for every target that has exports whose time has come, unless one is at it, or it could not be
 * reached just now. A drain whose process dies is replaced when its storage's `drain_at` has passed.
 */
export async function sweepOutbox(
  { em, queue }: { em: EntityManager; queue: Queue },
  heartbeatSeconds: number,
): Promise<void> {
  const due = await sql<{ id: string }>(
    em,
    `update storage s set drain_at = now() + make_interval(secs => $1)
     where s.direction = 'EXPORT' and (s.drain_at is null or s.drain_at <= now())
       and exists (select 1 from outbox o where o.storage_id = s.id and o.due_at <= now())
     returning s.id`,
    [heartbeatSeconds * missedBeats],
  )
  for (const { id } of due) await queue.enqueue(jobs.drainOutbox, { storageId: Number(id) })
}

/**
 * Gives a target all pending exports whose time has come. Any number of these may work on one target at once. A target that
 * cannot be reached is left alone for a while, a longer one each time.
 */
export async function drainOutbox(parts: DrainParts, storage: number, stopping: AbortSignal): Promise<void> {
  const { em, connect, logger, heartbeatSeconds } = parts
  const lease = openLease(em, heartbeatSeconds * missedBeats, stopping)
  let waits: number | undefined
  const batches = async function* () {
    while (waits === undefined) {
      const claims = await lease.claimDue(storage, batchSize)
      if (claims.length === 0) return
      yield { claims }
    }
  }
  const settle = async ({ claims }: { claims: Claim[] }, outcomes: Outcome[]) => {
    await em.fork().transactional((tx) => settleClaims(tx, { storage, token: lease.token }, outcomes))
    if (!outcomes.some(({ is }) => is === 'UNTRIED')) return
    waits = waitSeconds(1 + Math.max(...claims.map(({ attempts }) => attempts)))
  }
  const onTheWay = setInterval(() => keepTicket(parts, storage).catch(() => {}), heartbeatSeconds * 1_000)
  try {
    const limit = createAdaptiveLimit(parts.writeConcurrency)
    // It does not wait for a place that is away: the exports stay pending.
    const breaker = createBreaker({ patienceMs: null, hasResponded: false, tell: () => {} })
    const exporting = { em, connect, storage, lease, limit, breaker, skipUnchanged: false, givesUp: true }
    await writeBatches(exporting, batches(), settle)
  } catch (error) {
    if (error instanceof LeaseLost || stopping.aborted) return
    // The place cannot even be opened: its credentials cannot be read, or its address is blocked.
    if (!(error instanceof SluiceError)) throw error
    logger.warn({ err: error, storage }, 'pending exports cannot be written')
    waits = waitSeconds(5)
    await noteFailure(em, { storage, token: lease.token, failure: error.message, waits })
  } finally {
    clearInterval(onTheWay)
    lease.end()
    await sql(em, 'update storage set drain_at = now() + make_interval(secs => $2) where id = $1', [
      storage,
      waits ?? 0,
    ])
  }
}

async function keepTicket({ em, heartbeatSeconds }: DrainParts, storage: number): Promise<void> {
  await sql(em, 'update storage set drain_at = now() + make_interval(secs => $2) where id = $1', [
    storage,
    heartbeatSeconds * missedBeats,
  ])
}

async function noteFailure(
  em: EntityManager,
  { storage, token, failure, waits }: { storage: number; token: string; failure: string; waits: number },
): Promise<void> {
  await sql(
    em,
    `update outbox set lease = null, attempts = attempts + 1, failure = $3, due_at = now() + make_interval(secs => $4)
     where storage_id = $1 and lease = $2`,
    [storage, token, failure, waits],
  )
}
