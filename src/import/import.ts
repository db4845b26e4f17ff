import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { policyOf } from '../entities/run-policies.ts'
import { type SyncRun, SyncRunEntity } from '../entities/sync-run.ts'
import { SluiceError } from '../errors.ts'
import { compareKeys } from '../providers/key-order.ts'
import { heldRun, lockRun } from '../runs/lease.ts'
import { missedHeartbeats } from '../runs/sweep.ts'
import { execute } from '../sql.ts'
import { adoptLinks } from '../storages/detach.ts'
import { findFollowingKeys, middleOf } from './find-split.ts'
import { importShard, type ShardWork } from './import-shard.ts'
import { type Import, openWork, remainingObjects } from './import-work.ts'
import { sweepMissing } from './missing.ts'
import {
  allDone,
  claimShard,
  newOwner,
  openShards,
  releaseShard,
  reloadShard,
  type Shard,
  ShardChanged,
  sendHeartbeats,
  splitShard,
  splittable,
} from './shards.ts'

export type { Import }

// A range with fewer pages may be short, so it is not split.
const minPagesToSplit = 20

/**
 * Imports page by page: source → diff with the links → read (TASKS) → sink, which writes tasks, links, counters and cursor in one
 * commit. Each range of the listing continues at its checkpoint. Errors of single objects become issues of the run. While a page
 * is written, the next one is read and the one after that is listed. If the listing is slow and the storage can start a listing
 * at a key, several ranges of the bucket are listed at the same time. After the last page, `missingPolicy` is applied.
 * @throws SluiceError if the storage cannot be listed; RunLost if another worker has the run; the reason of the signal
 */
export async function importStorage(job: Import): Promise<void> {
  const { em, run, storage, provider } = job
  const { source, movesHighestKey } = policyOf(run.kind)
  const isNewOnly = storage.syncMode === 'NEW_ONLY' && source === 'SETTINGS'
  if (isNewOnly && !provider.keyCursor) throw new SluiceError('NEW_ONLY_UNSUPPORTED')
  if (!policyOf(run.kind).countsOnly) {
    await adoptLinks(em, { storage, lock: (tx) => lockRun(tx, run), signal: job.signal })
  }
  await openShards(em, run.id, isNewOnly ? (storage.highestKey ?? null) : null)
  await processShards(job, 'LEADS')
  await sweepMissing(em, { run, storage, provider, signal: job.signal })
  if (movesHighestKey) await saveHighestKey(em, run)
}

/** Saves the highest listed key, after which the next NEW_ONLY sync starts. */
async function saveHighestKey(em: EntityManager, run: SyncRun): Promise<void> {
  await execute(
    em,
    sql`update storage set highest_key = greatest(highest_key, k.last) from (
       select r.storage_id, max(s.last_key) as last from sync_run r join sync_shard s on s.run_id = r.id
       where ${heldRun(run, 'r')} group by r.storage_id) k
     where storage.id = k.storage_id`,
  )
}

/** Processes ranges of an import that another worker leads, until none can be claimed or split. @throws as `importStorage` */
export async function assistImport(job: Import): Promise<void> {
  await processShards(job, 'ASSISTS')
}

/**
 * Claims ranges of the run and imports up to `listConcurrency` of them at the same time. If the listing is slow, it splits ranges to
 * use free slots. A leader continues until all ranges are done; an assistant stops when no range is available.
 */
async function processShards(job: Import, role: 'LEADS' | 'ASSISTS'): Promise<void> {
  const { em, run, heartbeatSeconds } = job
  const owner = newOwner()
  const stop = new AbortController()
  const work = await openWork(job, AbortSignal.any([job.signal, stop.signal]))
  const slots = new Set<Promise<unknown>>()
  let longListing = Promise.withResolvers<void>()
  // Pages to wait after a failed split; an attempt costs about ten LIST calls.
  let pagesToWait = 0
  let failure: { error: unknown } | undefined
  const heartbeats = setInterval(() => sendHeartbeats(em, run.id, owner).catch(() => {}), heartbeatSeconds * 1_000)

  const startSlot = (shard: Shard) => {
    const onLongListing = () => {
      if (--pagesToWait <= 0) longListing.resolve()
    }
    const slot = importToEnd(work, shard, onLongListing)
      .catch(async (error: unknown) => {
        failure ??= { error }
        stop.abort(error)
        if (role === 'ASSISTS') await releaseShard(em, shard).catch(() => {})
      })
      .finally(() => slots.delete(slot))
    slots.add(slot)
  }
  const trySplit = async () => {
    if (!work.splits || pagesToWait > 0 || (role === 'LEADS' && slots.size === 0)) return undefined
    const source = await splittable(em, run.id, role === 'LEADS' ? minPagesToSplit : 1)
    if (!source) return undefined
    const shard = await splitSource(job, work, { source, owner })
    if (!shard) pagesToWait = minPagesToSplit
    return shard
  }
  try {
    while (!failure) {
      const shard =
        (await claimShard(em, run, { owner, staleSeconds: heartbeatSeconds * missedHeartbeats })) ?? (await trySplit())
      if (shard) startSlot(shard)
      const isFull = slots.size >= job.listConcurrency
      if (shard && role === 'ASSISTS' && !isFull) continue
      if (slots.size > 0) {
        longListing = Promise.withResolvers()
        await Promise.race(isFull ? slots : [...slots, longListing.promise])
      } else if (role === 'ASSISTS' || (await allDone(em, run.id))) break
      // Other workers own the remaining ranges.
      else await sleep(heartbeatSeconds * 200, undefined, { signal: work.signal })
    }
  } catch (error) {
    failure ??= { error }
    stop.abort(error)
  } finally {
    // All slots end before the run changes its state.
    await Promise.all(slots)
    clearInterval(heartbeats)
  }
  if (failure) throw failure.error
}

// A page is read again this many times if another run writes its objects. Then it overwrites them, so that an object that changes all
// the time does not stop the import.
const maxRepeats = 5

/** Imports a range to its end, even if other workers split it. Returns early if another worker has taken it over. */
async function importToEnd(work: ShardWork, shard: Shard, onLongListing: () => void): Promise<void> {
  let repeats = 0
  for (let current: Shard | undefined = shard; current; ) {
    const claimedAt = repeats > maxRepeats ? 'infinity' : current.claimedAt
    try {
      return await importShard(work, { ...current, claimedAt }, { minPages: minPagesToSplit, onLongListing })
    } catch (error) {
      if (!(error instanceof ShardChanged)) throw error
      const now: Shard | undefined = await reloadShard(work.em, current)
      repeats = now && now.cursor === current.cursor && now.until === current.until ? repeats + 1 : 0
      if (repeats > 2 * maxRepeats) throw error.cause ?? error
      await recountRemaining(work)
      current = now
    }
  }
}

/** Computes from the counters of the run how many objects `maxObjects` still allows. */
async function recountRemaining({ em, run, storage, remaining }: ShardWork): Promise<void> {
  if (!remaining) return
  const { matched, existed } = await em.fork().findOneOrFail(SyncRunEntity, run.id)
  remaining.objects = remainingObjects(storage.filters!.maxObjects!, { matched, existed })
}

const splitAttempts = 3

/** Splits a range that another slot lists. Undefined if no key follows its position, or the range changes too fast. */
async function splitSource(
  { em, run }: Import,
  { provider, signal }: ShardWork,
  { source, owner }: { source: Shard; owner: string },
): Promise<Shard | undefined> {
  let range: Shard | undefined = source
  for (let attempt = 0; range?.lastKey && attempt < splitAttempts; attempt++) {
    // Such a key is stored in another form, which the database cannot compare.
    if (!range.lastKey.isWellFormed()) return undefined
    const { until } = range
    const firstAfter = async (text: string) => {
      const { objects } = await provider.list({ cursor: text, limit: 1, recursive: true, signal })
      const key = objects[0]?.key
      return key !== undefined && (until === null || compareKeys(key, until) <= 0) ? key : undefined
    }
    const following = await findFollowingKeys(positionOf(range, range.lastKey), firstAfter)
    // The range continued during these calls, so the middle is computed from its position now.
    const now = await reloadShard(em, range)
    if (!following || !now?.lastKey) return undefined
    const at = now.until === until ? middleOf(following, positionOf(now, now.lastKey)) : null
    const split = at === null ? undefined : await splitShard(em, now, { at, owner, attempt: run.attempt })
    if (split) return split
    range = await reloadShard(em, now)
  }
  return undefined
}

/** The last key that the worker of a range has listed or has begun to read. */
const positionOf = ({ readsTo }: Shard, lastKey: string): string =>
  readsTo !== null && compareKeys(readsTo, lastKey) > 0 ? readsTo : lastKey
