import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import type { Relocation, SyncRun } from '../entities/sync-run.ts'
import { type ErrorCode, SluiceError } from '../errors.ts'
import { recordEvent } from '../events/log.ts'
import { keyFault } from '../providers/key-bytes.ts'
import { providers } from '../providers/registry.ts'
import { formatUri } from '../providers/uri.ts'
import { heldRun, lockRun, RunLost } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { maxStoredIssues } from './page-statement.ts'
import { deleteTwins, isInUse, lockTwins } from './twins.ts'

const pageSize = 500
const twinTasks = sql`select task_id from twin`

interface Move {
  key: string
  to_key: string
}

interface Relocating {
  run: SyncRun
  storage: Storage
  signal: AbortSignal
}

/**
 * Gives each link whose key starts with `from` the key that has `to` in its place, one page of objects per transaction. URIs in
 * the data of tasks follow. A task that was imported from the new key is deleted, unless it has annotations of its own; then the
 * object keeps its links, and the run has an issue. Reads nothing from the bucket.
 * @throws RunLost; the signal's reason
 */
export async function relocateLinks(em: EntityManager, { run, storage, signal }: Relocating): Promise<void> {
  if (run.cursor === null) await planMoves(em, run, storage)
  for (;;) {
    // A key whose new key has still to move waits for the next pass.
    let after: string | undefined
    let processed = 0
    do {
      signal.throwIfAborted()
      const page = await em.fork().transactional((tx) => relocatePage(tx, { run, storage, after }))
      processed += page.length
      after = page.at(-1)?.key
    } while (after !== undefined)
    if (processed === 0) return
  }
}

/** Stores the keys to move. Without the lock of the run, because it can take long. */
async function planMoves(em: EntityManager, run: SyncRun, { id }: Storage): Promise<void> {
  const { from, to } = run.relocation!
  const keysOf = (table: string, condition: RawBuilder<unknown>) => sql`
    select key from ${sql.table(table)} where storage_id = ${id} and key >= ${from} and starts_with(key, ${from}) and ${condition}`
  // Keys below `to` are in their new place, if `to` is below `from`.
  const isThere = to.startsWith(from) ? sql`starts_with(key, ${to})` : sql`false`
  await execute(
    em,
    sql`insert into sync_key (run_id, kind, key, to_key)
     select ${run.id}::bigint, 'MOVED', key, ${to}::text || substr(key, length(${from}::text) + 1) from (
       ${keysOf('import_link', sql`row_index = -1`)} union
       ${keysOf('import_link', sql`row_index <> -1`)} union
       ${keysOf('imported_object', sql`true`)}) k
     where not ${isThere}
     on conflict do nothing`,
  )
  const planned = await execute(
    em,
    sql`update sync_run set cursor = '', heartbeat_at = clock_timestamp(),
       total = (select count(*) from sync_key where run_id = ${run.id} and kind = 'MOVED')
     where ${heldRun(run)} returning id`,
  )
  if (planned.length === 0) throw new RunLost()
}

/** Moves the next objects after `after`. Returns them; none are left if it is empty. */
async function relocatePage(
  tx: EntityManager,
  { run, storage, after }: { run: SyncRun; storage: Storage; after: string | undefined },
): Promise<Move[]> {
  await lockRun(tx, run)
  const page = await execute<Move>(
    tx,
    sql`select key, to_key from sync_key k where run_id = ${run.id} and kind = 'MOVED' and key > ${after ?? ''}
       and not exists (select 1 from sync_key n where n.run_id = k.run_id and n.kind = 'MOVED' and n.key = k.to_key)
     order by key limit ${pageSize}`,
  )
  if (page.length === 0) return []
  const taken = await findTaken(tx, { relocation: run.relocation!, storage: storage.id, page })
  const faults = new Map<string, ErrorCode>()
  for (const { key, to_key } of page) {
    const fault = keyFault(to_key) ?? (taken.has(to_key) ? 'KEY_TAKEN' : undefined)
    if (fault) faults.set(key, fault)
  }
  const moves = page.filter(({ key }) => !faults.has(key))
  const counts = run.relocation!.dryRun ? await countPage(tx, storage, moves) : await movePage(tx, storage, moves)
  await execute(
    tx,
    sql`delete from sync_key where run_id = ${run.id} and kind = 'MOVED' and key = any(${page.map(({ key }) => key)})`,
  )
  await reportFaults(tx, run, faults)
  await execute(
    tx,
    sql`update sync_run set listed = listed + ${page.length}, moved = moved + ${counts.moved}, deleted = deleted + ${counts.deleted},
       failed = failed + ${faults.size}, heartbeat_at = clock_timestamp()
     where id = ${run.id}`,
  )
  await recordEvent(tx, 'PROGRESS', { type: 'RUN', id: run.id })
  return page
}

/** Writes the links of the new keys to the temporary table `twin`, and returns the keys whose tasks cannot be deleted. */
async function findTaken(
  tx: EntityManager,
  { relocation: { from, to }, storage, page }: { relocation: Relocation; storage: number; page: Move[] },
): Promise<Set<string>> {
  // In a dry run, a link that would have moved away is still there.
  const stays = from.startsWith(to) ? sql`not starts_with(key, ${from})` : sql`true`
  await execute(
    tx,
    sql`create temporary table twin on commit drop as
     select key as to_key, id as link_id, task_id from (${linksOf(storage, page, 'to_key')}) l where ${stays}`,
  )
  await lockTwins(tx, twinTasks)
  const rows = await execute<{ to_key: string }>(
    tx,
    sql`select distinct to_key from twin w where ${isInUse(sql`w.task_id`, sql`w.link_id`)}`,
  )
  return new Set(rows.map(({ to_key }) => to_key))
}

/** SQL: the links of the former or the new keys. Two parts, because each index covers one of them. */
const linksOf = (storage: number, moves: Move[], side: keyof Move) => {
  const keys = moves.map((move) => move[side])
  return sql`
    select * from import_link where storage_id = ${storage} and key = any(${keys}) and row_index = -1
    union all
    select * from import_link where storage_id = ${storage} and key = any(${keys}) and row_index <> -1`
}

interface Counts {
  /** Number of links. */
  moved: number
  /** Number of tasks. */
  deleted: number
}

async function countPage(tx: EntityManager, { id }: Storage, moves: Move[]): Promise<Counts> {
  const [row] = await execute<{ moved: string; deleted: string }>(
    tx,
    sql`select (select count(*) from (${linksOf(id, moves, 'key')}) l) as moved,
       (select count(distinct task_id) from twin where to_key = any(${moves.map(({ to_key }) => to_key)})) as deleted`,
  )
  return { moved: Number(row!.moved), deleted: Number(row!.deleted) }
}

async function movePage(tx: EntityManager, storage: Storage, moves: Move[]): Promise<Counts> {
  if (moves.length === 0) return { moved: 0, deleted: 0 }
  const newKeys = moves.map(({ to_key }) => to_key)
  await execute(tx, sql`delete from twin where to_key <> all(${newKeys})`)
  const deleted = await deleteTwins(tx, twinTasks)
  await execute(tx, sql`delete from imported_object where storage_id = ${storage.id} and key = any(${newKeys})`)
  const move = moveTable(storage, moves)
  if (storage.importMethod === 'FILES') {
    await execute(
      tx,
      sql`update task t set data = replace(t.data::text, m.uri, m.to_uri)::json, updated_at = now()
       from ${move}, import_link l
       where l.storage_id = ${storage.id} and l.key = m.key and l.row_index = -1 and t.id = l.task_id`,
    )
  }
  let moved = 0
  for (const rows of [sql`l.row_index = -1`, sql`l.row_index <> -1`]) {
    const links = await execute(
      tx,
      sql`update import_link l set key = m.to_key, object_exists = true, updated_at = now() from ${move}
       where l.storage_id = ${storage.id} and l.key = m.key and ${rows} returning 1`,
    )
    moved += links.length
  }
  await execute(
    tx,
    sql`update imported_object o set key = m.to_key, object_exists = true from ${move}
     where o.storage_id = ${storage.id} and o.key = m.key`,
  )
  return { moved, deleted }
}

/** SQL: the moves as a table `m`, with the URIs as they are in JSON. */
function moveTable({ provider, location }: Storage, moves: Move[]) {
  const { uriScheme: scheme, place } = providers[provider]
  const { bucket } = place(location)
  const uriOf = (key: string) => JSON.stringify(formatUri({ scheme, bucket, key }))
  return sql`unnest(
    ${moves.map(({ key }) => key)}::text[],
    ${moves.map(({ to_key }) => to_key)}::text[],
    ${moves.map(({ key }) => uriOf(key))}::text[],
    ${moves.map(({ to_key }) => uriOf(to_key))}::text[]) as m (key, to_key, uri, to_uri)`
}

async function reportFaults(tx: EntityManager, run: SyncRun, faults: Map<string, ErrorCode>): Promise<void> {
  const issues = [...faults].map(([key, code]) => ({ key, code, message: new SluiceError(code).message }))
  await execute(
    tx,
    sql`insert into sync_issue (run_id, key, code, message, retryable)
     select ${run.id}::bigint, i.key, i.code, i.message, false
     from unnest(
         ${issues.map(({ key }) => key)}::text[],
         ${issues.map(({ code }) => code)}::text[],
         ${issues.map(({ message }) => message)}::text[])
       with ordinality as i (key, code, message, n)
     where i.n <= ${maxStoredIssues} - (select failed from sync_run where id = ${run.id})`,
  )
}
