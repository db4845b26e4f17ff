import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { Provider } from '../providers/provider.ts'
import { lockRun, type RunLease, RunLost } from '../runs/lease.ts'
import { sql } from '../sql.ts'
import { countMissingRows, countSwept, sweepMissingRows } from './missing-rows.ts'
import { setExistence } from './write-page.ts'

const pageSize = 1_000

interface Sweep {
  run: SyncRun
  storage: Storage
  provider: Provider
  signal: AbortSignal
}

/**
 * After the listing: applies `missingPolicy` to links whose objects a complete listing did not return, and to links whose rows
 * are no longer in their objects, one page per transaction. Above `maxMissing` it changes nothing and reports
 * TOO_MANY_MISSING. A partial listing (NEW_ONLY, `maxObjects`, RETRY) proves nothing about objects, but a file that it read to
 * its end proves which rows it has.
 * @throws RunLost; the signal's reason.
 */
export async function sweepMissing(em: EntityManager, { run, storage, provider, signal }: Sweep): Promise<void> {
  if (storage.missingPolicy === 'KEEP') return
  const isComplete = storage.syncMode === 'FULL' && storage.filters?.maxObjects === undefined && run.kind !== 'RETRY'
  const objects = isComplete ? await findMissing(em, { run, storage, provider }) : 0
  const rows = await countMissingRows(em, run, storage)
  if (objects + rows === 0) return
  const words = await missingLimitError(em, storage, { objects, rows })
  if (words) return reportTooManyMissing(em, run, words)
  if (run.kind === 'DRY_RUN') return countMissing(em, run, { storage: storage.id, objects, rows })
  for (let page: string[] | undefined; objects > 0 && (!page || page.length === pageSize); ) {
    signal.throwIfAborted()
    page = await sweepPage(em, { run, storage, after: page?.at(-1) ?? null })
  }
  if (rows > 0) await sweepMissingRows(em, { run, storage, signal })
}

/** Number of objects that a complete listing did not return; their keys are in `sync_key`. */
async function findMissing(
  em: EntityManager,
  { run, storage, provider }: Pick<Sweep, 'run' | 'storage' | 'provider'>,
): Promise<number> {
  if (!provider.ordered) await noteUnseen(em, run, storage)
  else await forgetSeen(em, run)
  await forgetUnread(em, run)
  return countOf(em, `select count(*) from sync_key where run_id = $1 and kind = 'MISSING'`, [run.id])
}

/** For unordered listings: records the keys that were never listed. Only the end of the listing shows them. */
async function noteUnseen(em: EntityManager, { id }: RunLease, { id: storage, missingPolicy }: Storage): Promise<void> {
  const flagged = missingPolicy === 'DELETE_UNANNOTATED' ? '' : 'and object_exists'
  await sql(
    em,
    `insert into sync_key (run_id, kind, key)
     select $1, 'MISSING', key from (
       select key from import_link where storage_id = $2 and row_index = -1 and row_exists ${flagged}
       union select key from imported_object where storage_id = $2 ${flagged}) k
     where not exists (select 1 from sync_key s where s.run_id = $1 and s.kind = 'SEEN' and s.key = k.key)
     on conflict do nothing`,
    [id, storage],
  )
}

/** Removes keys that were listed out of order from the missing ones. */
async function forgetSeen(em: EntityManager, { id }: RunLease): Promise<void> {
  await sql(
    em,
    `delete from sync_key m using sync_key s
     where m.run_id = $1 and m.kind = 'MISSING' and s.run_id = $1 and s.kind = 'SEEN' and s.key = m.key`,
    [id],
  )
}

/** Removes keys below folders that could not be listed from the missing ones. In byte order, "0" follows "/". */
async function forgetUnread(em: EntityManager, { id }: RunLease): Promise<void> {
  // `order by` makes the planner use the index, although it has no statistics of the keys of a new run.
  const [first] = await sql(em, `select 1 from sync_key where run_id = $1 and kind = 'UNREAD' order by key limit 1`, [
    id,
  ])
  if (!first) return
  await sql(
    em,
    `delete from sync_key m using sync_key u
     where m.run_id = $1 and m.kind = 'MISSING' and u.run_id = $1 and u.kind = 'UNREAD'
       and (m.key = u.key or (m.key > rtrim(u.key, '/') || '/' and m.key < rtrim(u.key, '/') || '0'))`,
    [id],
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
      `select (select count(*) from import_link where storage_id = $1 and row_index = -1 and row_exists)
         + (select count(*) from imported_object where storage_id = $1) as count`,
      [id],
    ),
    rows: missing.rows === 0 ? 0 : await countOf(em, 'select count(*) from import_link where storage_id = $1', [id]),
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

async function reportTooManyMissing(em: EntityManager, { id, attempt }: RunLease, words: string): Promise<void> {
  await em.fork().transactional(async (tx) => {
    const [held] = await sql(
      tx,
      `update sync_run set failed = failed + 1 where id = $1 and attempt = $2 and status = 'IN_PROGRESS'
         and not exists (select 1 from sync_issue where run_id = $1 and code = 'TOO_MANY_MISSING')
       returning id`,
      [id, attempt],
    )
    if (!held) return
    await sql(
      tx,
      `insert into sync_issue (run_id, code, message, retryable) values ($1, 'TOO_MANY_MISSING', $2, false)`,
      [id, words],
    )
  })
}

async function countMissing(
  em: EntityManager,
  { id, attempt }: RunLease,
  { storage, objects, rows }: { storage: number; objects: number; rows: number },
): Promise<void> {
  await sql(
    em,
    `update sync_run set missing = $4::bigint + case when $5::bigint = 0 then 0 else (
       select count(*) from sync_key k join import_link l
         on l.storage_id = $3 and l.key = k.key and (l.row_index = -1 or l.row_index <> -1)
       where k.run_id = $1 and k.kind = 'MISSING') end
     where id = $1 and attempt = $2 and status = 'IN_PROGRESS'`,
    [id, attempt, storage, rows, objects],
  )
}

/** Sweeps the next keys after `after` (null = from the first) and returns them. Fewer than a page are the last ones. */
async function sweepPage(
  em: EntityManager,
  { run, storage, after }: { run: RunLease; storage: Storage; after: string | null },
): Promise<string[]> {
  return em.fork().transactional(async (tx) => {
    if (!(await lockRun(tx, run))) throw new RunLost()
    // Two statements instead of a subquery: without statistics of the keys of a new run, the planner would execute the subquery for
    // every remaining key.
    const rows = await sql<{ key: string }>(
      tx,
      `select key from sync_key where run_id = $1 and kind = 'MISSING' and ($2::text is null or key > $2)
       order by key limit ${pageSize}`,
      [run.id, after],
    )
    const keys = rows.map(({ key }) => key)
    await sql(tx, `delete from sync_key where run_id = $1 and kind = 'MISSING' and key = any($2)`, [run.id, keys])
    const deleted = storage.missingPolicy === 'DELETE_UNANNOTATED' ? await deleteUnannotated(tx, storage.id, keys) : 0
    const flagged = await setExistence(tx, storage.id, keys, false)
    await countSwept(tx, run, { missing: flagged + deleted, deleted })
    return keys
  })
}

/** Deletes the tasks of these objects that have no annotations, with their links. Returns the number of tasks. */
async function deleteUnannotated(em: EntityManager, storage: number, keys: string[]): Promise<number> {
  let deleted = 0
  for (const rows of ['l.row_index = -1', 'l.row_index <> -1']) {
    const gone = await sql(
      em,
      `delete from task t using import_link l
       where l.storage_id = $1 and l.key = any($2) and ${rows} and t.id = l.task_id
         and not exists (select 1 from annotation a where a.task_id = t.id)
       returning 1`,
      [storage, keys],
    )
    deleted += gone.length
  }
  // If the object is listed again, the deleted rows are imported again.
  await sql(em, 'update imported_object set rows = null where storage_id = $1 and key = any($2)', [storage, keys])
  return deleted
}

async function countOf(em: EntityManager, text: string, params: unknown[]): Promise<number> {
  const [row] = await sql<{ count: string }>(em, text, params)
  return Number(row!.count)
}
