import { setTimeout as delay } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { createAdaptiveLimit } from '../adaptive.ts'
import type { Connect } from '../connect.ts'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { SluiceError } from '../errors.ts'
import { recordEvent } from '../events/log.ts'
import type { Breaker } from '../runs/breaker.ts'
import { heldRun, lockRun, RunLost } from '../runs/lease.ts'
import { execute, storableText } from '../sql.ts'
import { commitResults, StorageChanged } from './commit-results.ts'
import { type Claim, type Lease, openLease } from './lease.ts'
import { writeBatches } from './pipeline.ts'
import { type Selection, selectPage } from './select.ts'
import { type Outcome, storageErrors } from './write.ts'

const batchSize = 200
// At most 4 progress events per second and run. The final state has its own event.
const eventEveryMs = 250
const waitMs = 100

interface ExportJob {
  em: EntityManager
  run: SyncRun
  storage: Storage
  connect: Connect
  writeConcurrency: number
  leaseSeconds: number
  breaker: Pick<Breaker, 'call' | 'signal'>
  /** Aborts with the breaker, too. */
  signal: AbortSignal
}

interface Batch {
  claims: Claim[]
  /** Set on the last claims of the subjects up to the cursor. */
  done: { selected: number; cursor: string | null } | undefined
}

/**
 * Exports what the run selects, in batches: claim → read → write → commit links, issues, counters and checkpoint. It starts at the
 * checkpoint. Only acknowledged writes count. It waits for objects that another worker is writing and writes them again, because
 * that worker may have read an older state.
 * @throws SluiceError if the storage cannot be reached; RunLost if another worker has the run; the reason of the signal
 */
export async function exportToStorage(job: ExportJob): Promise<void> {
  const { em, run, storage, connect, breaker, signal } = job
  const lease = openLease(em, job.leaseSeconds, signal)
  const limit = createAdaptiveLimit(job.writeConcurrency)
  const { skipUnchanged } = run
  let lastEventAt = Number.NEGATIVE_INFINITY
  let isInterrupted = false
  const commit = async (batch: Batch, outcomes: Outcome[], version: number | undefined) => {
    // Later batches can complete while this one waits, but the checkpoint must not pass it.
    isInterrupted ||= outcomes.some(({ is }) => is === 'UNTRIED' || is === 'UNKNOWN')
    const addsEvent = performance.now() - lastEventAt > eventEveryMs
    await em.fork().transactional(async (tx) => {
      // The run before the storage, as for other changes of both.
      await lockRun(tx, run)
      await commitResults(tx, { storage: storage.id, version, token: lease.token }, outcomes)
      await addToCounters(tx, { run, storage }, { batch, outcomes, isInterrupted, isEnd: breaker.signal.aborted })
      if (addsEvent) await recordEvent(tx, 'PROGRESS', { type: 'RUN', id: run.id })
    })
    if (addsEvent) lastEventAt = performance.now()
    const error = storageErrorOf(outcomes)
    if (error) throw error
  }
  try {
    await writeBatches(
      {
        ...{ em, connect, storage: storage.id, version: storage.version },
        ...{ lease, limit, breaker, skipUnchanged, givesUp: false },
      },
      batchesOf(job, lease),
      commit,
    )
  } catch (error) {
    throw error instanceof StorageChanged ? new RunLost() : error
  } finally {
    lease.end()
  }
}

async function* batchesOf({ em, run, storage, signal }: ExportJob, lease: Lease): AsyncGenerator<Batch> {
  for (let cursor = run.cursor ?? null, page: Selection; ; cursor = page.next) {
    page = await selectPage(em, { run, storage }, cursor)
    for (let at = 0; at < page.subjects.length; at += batchSize) {
      const part = page.subjects.slice(at, at + batchSize)
      const done = { selected: part.length, cursor: part.at(-1)!.cursor }
      for (let remaining = part.map(({ id }) => id); ; await delay(waitMs, undefined, { signal })) {
        const claims = await lease.claim(storage, remaining)
        const claimed = new Set(claims.map(({ subject }) => subject))
        remaining = remaining.filter((id) => !claimed.has(id))
        if (remaining.length === 0) {
          yield { claims, done }
          break
        }
        if (claims.length > 0) yield { claims, done: undefined }
      }
    }
    if (page.next === null) return
  }
}

/**
 * Adds the results of a batch to the counters, in its commit. An interrupted batch and all later ones are repeated and count then,
 * unless the run ends here. @throws RunLost, which rolls the commit back (fencing)
 */
async function addToCounters(
  tx: EntityManager,
  { run, storage }: { run: SyncRun; storage: Storage },
  {
    batch,
    outcomes,
    isInterrupted,
    isEnd,
  }: { batch: Batch; outcomes: Outcome[]; isInterrupted: boolean; isEnd: boolean },
): Promise<void> {
  const countOf = (is: Outcome['is']) => outcomes.filter((one) => one.is === is).length
  const done = isInterrupted ? undefined : batch.done
  const [held] = await execute<{ counts: boolean }>(
    tx,
    sql`with held as (
       select id, (${!isInterrupted || isEnd} or cancel_requested) as counts from sync_run where ${heldRun(run)} for update)
     update sync_run r set selected = selected + ${done?.selected ?? 0},
       cursor = coalesce(${done?.cursor ?? null}, cursor), heartbeat_at = now(),
       exported = exported + case when counts then ${countOf('WRITTEN')}::bigint else 0 end,
       skipped = skipped + case when counts then ${countOf('UNCHANGED')}::bigint else 0 end,
       deleted = deleted + case when counts then ${countOf('REMOVED')}::bigint else 0 end,
       failed = failed + case when counts then ${countOf('FAILED')}::bigint else 0 end
     from held where r.id = held.id returning counts`,
  )
  if (!held) throw new RunLost()
  const failed = outcomes.flatMap((one) => (one.is === 'FAILED' ? [one] : []))
  if (failed.length === 0 || !held.counts) return
  const subject = storage.exportFormat === 'TASK' ? sql`null, i.subject` : sql`i.subject, null`
  await execute(
    tx,
    sql`insert into sync_issue (run_id, key, annotation, task, code, message, retryable)
     select ${run.id}, i.key, ${subject}, i.code, i.message, i.retryable
     from unnest(
         ${failed.map(({ claim }) => claim.subject)}::bigint[],
         ${failed.map(({ key }) => key)}::text[],
         ${failed.map(({ error }) => error.code)}::text[],
         ${failed.map(({ error }) => storableText(error.message))}::text[],
         ${failed.map(({ error }) => error.retryable)}::bool[])
       as i (subject, key, code, message, retryable)
     on conflict do nothing`,
  )
}

/** The error of a batch of which nothing was written because the storage cannot be reached. */
function storageErrorOf(outcomes: Outcome[]): SluiceError | undefined {
  const tried = outcomes.filter(({ is }) => is !== 'GONE' && is !== 'UNCHANGED')
  const errors = tried.flatMap((one) =>
    one.is === 'FAILED' && storageErrors.includes(one.error.code) ? [one.error] : [],
  )
  const [first] = errors
  return first && errors.length === tried.length ? new SluiceError(first.code, first.message) : undefined
}
