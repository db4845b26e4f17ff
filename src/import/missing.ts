import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { policyOf } from '../entities/run-policies.ts'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { Provider } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import { heldRun, type RunLease } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { findMoves } from './find-moves.ts'
import { sinkOf } from './import-work.ts'
import { moveObjects } from './move-objects.ts'

interface Sweeping {
  run: SyncRun
  storage: Storage
  provider: Provider
  signal: AbortSignal
}

/**
 * After the last page: lets the sink apply `missingPolicy` to links whose objects a complete listing did not return, and to links
 * whose rows are no longer in their objects. Above `maxMissing` it changes nothing and reports
 * TOO_MANY_MISSING. A partial listing (NEW_ONLY, `maxObjects`, RETRY) proves nothing about objects, but a file that was read to
 * its end proves which rows it has.
 * @throws RunLost; the signal's reason.
 */
export async function sweepMissing(em: EntityManager, { run, storage, provider, signal }: Sweeping): Promise<void> {
  const sink = sinkOf(run)
  const { findsMissing, countsOnly } = policyOf(run.kind)
  const isComplete =
    findsMissing === 'BY_LISTING' && storage.syncMode === 'FULL' && storage.filters?.maxObjects === undefined
  if (isComplete && storage.missingPolicy !== 'KEEP') await findMissing(em, { run, storage, provider })
  const detectsMoves = isComplete && storage.detectMoves && providers[storage.provider].copyKeepsEtag && !countsOnly
  // Before the missing objects are counted, because moved ones are not missing.
  if (detectsMoves && (await findMoves(em, run, storage)) > 0) await moveObjects(em, { run, storage, signal })
  if (storage.missingPolicy === 'KEEP') return
  if (findsMissing === 'BY_KEY') await removeSeen(em, run, storage)
  const objects = isComplete || findsMissing === 'BY_KEY' ? await countMissing(em, run) : 0
  const rows = await sink.countMissingRows(em, run, storage)
  if (objects + rows === 0) return
  const message = await missingLimitError(em, storage, { objects, rows })
  if (message) return reportTooManyMissing(em, run, message)
  await sink.sweep(em, { run, storage, objects, rows, signal })
}

/** Completes the keys of objects that a complete listing did not return: MISSING in `sync_key`. */
async function findMissing(
  em: EntityManager,
  { run, storage, provider }: Pick<Sweeping, 'run' | 'storage' | 'provider'>,
): Promise<void> {
  if (!provider.ordered) await recordUnseen(em, run, storage)
  await removeUnread(em, run)
  await removeSeen(em, run, storage)
}

/** Number of missing objects. */
const countMissing = (em: EntityManager, { id }: RunLease): Promise<number> =>
  countOf(em, sql`select count(*) from sync_key where run_id = ${id} and kind = 'MISSING'`)

/** For unordered listings: records the keys that were never listed. Only the end of the listing shows them. */
async function recordUnseen(
  em: EntityManager,
  { id }: RunLease,
  { id: storage, missingPolicy }: Storage,
): Promise<void> {
  const flagged = missingPolicy === 'DELETE_UNANNOTATED' ? sql`` : sql`and object_exists`
  await execute(
    em,
    sql`insert into sync_key (run_id, kind, key)
     select ${id}, 'MISSING', key from (
       select key from import_link where storage_id = ${storage} and row_index = -1 and row_exists ${flagged}
       union select key from imported_object where storage_id = ${storage} ${flagged}) k
     where not exists (select 1 from sync_key s where s.run_id = ${id} and s.kind = 'SEEN' and s.key = k.key)
     on conflict do nothing`,
  )
}

/**
 * Removes keys from the missing ones that were listed out of order, and, if other runs of the storage were active at the same time,
 * keys that those have seen or imported.
 */
async function removeSeen(em: EntityManager, { id, startedAt }: SyncRun, { id: storage }: Storage): Promise<void> {
  const concurrent = await execute<{ id: string }>(
    em,
    sql`select id from sync_run where storage_id = ${storage} and id <> ${id} and started_at is not null
       and (finished_at is null or finished_at >= ${startedAt})`,
  )
  await execute(
    em,
    sql`delete from sync_key m using sync_key s
     where m.run_id = ${id} and m.kind = 'MISSING'
       and s.run_id = any(${[id, ...concurrent.map((run) => run.id)]}::bigint[]) and s.kind = 'SEEN' and s.key = m.key`,
  )
  for (const rows of concurrent.length > 0 ? [sql`l.row_index = -1`, sql`l.row_index <> -1`] : []) {
    await execute(
      em,
      sql`delete from sync_key m using import_link l
       where m.run_id = ${id} and m.kind = 'MISSING' and l.storage_id = ${storage} and l.key = m.key and ${rows}
         and l.object_exists and l.updated_at >= ${startedAt}`,
    )
  }
}

/** Removes keys below folders that could not be listed from the missing ones. In byte order, "0" follows "/". */
async function removeUnread(em: EntityManager, { id }: RunLease): Promise<void> {
  // `order by` makes the planner use the index, although it has no statistics of the keys of a new run.
  const [first] = await execute(
    em,
    sql`select 1 from sync_key where run_id = ${id} and kind = 'UNREAD' order by key limit 1`,
  )
  if (!first) return
  await execute(
    em,
    sql`delete from sync_key m using sync_key u
     where m.run_id = ${id} and m.kind = 'MISSING' and u.run_id = ${id} and u.kind = 'UNREAD'
       and (m.key = u.key or (m.key > rtrim(u.key, '/') || '/' and m.key < rtrim(u.key, '/') || '0'))`,
  )
}

/** Message for TOO_MANY_MISSING, if the limit is exceeded. A missing object counts once, however many rows it had. */
async function missingLimitError(
  em: EntityManager,
  { id, maxMissing, maxMissingShare }: Storage,
  missing: { objects: number; rows: number },
): Promise<string | undefined> {
  if (maxMissing == null && maxMissingShare == null) return undefined
  const all = {
    objects: await countOf(
      em,
      sql`select (select count(*) from import_link where storage_id = ${id} and row_index = -1 and row_exists)
         + (select count(*) from imported_object where storage_id = ${id}) as count`,
    ),
    rows: missing.rows === 0 ? 0 : await countOf(em, sql`select count(*) from import_link where storage_id = ${id}`),
  }
  const share = maxMissingShare ?? Infinity
  const isTooMany =
    missing.objects + missing.rows > (maxMissing ?? Infinity) ||
    missing.objects > share * all.objects ||
    missing.rows > share * all.rows
  if (!isTooMany) return undefined
  const limit = maxMissing == null ? `${Math.round(maxMissingShare! * 100)} %` : String(maxMissing)
  const what = [
    missing.objects > 0 && `${missing.objects} of ${all.objects} imported objects are missing from the listing`,
    missing.rows > 0 && `${missing.rows} of ${all.rows} imported rows are missing from their files`,
  ].filter(Boolean)
  return (
    `${what.join(', ')}, more than the limit of ${limit} (maxMissing). Nothing was flagged or deleted. If the objects were removed ` +
    'on purpose, raise the limit and sync again.'
  )
}

async function reportTooManyMissing(em: EntityManager, run: RunLease, message: string): Promise<void> {
  const { id } = run
  await em.fork().transactional(async (tx) => {
    const [held] = await execute(
      tx,
      sql`update sync_run set failed = failed + 1 where ${heldRun(run)}
         and not exists (select 1 from sync_issue where run_id = ${id} and code = 'TOO_MANY_MISSING')
       returning id`,
    )
    if (!held) return
    await execute(
      tx,
      sql`insert into sync_issue (run_id, code, message, retryable) values (${id}, 'TOO_MANY_MISSING', ${message}, false)`,
    )
  })
}

async function countOf(em: EntityManager, statement: RawBuilder<{ count: string }>): Promise<number> {
  const [row] = await execute(em, statement)
  return Number(row!.count)
}
