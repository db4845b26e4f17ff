import type { EntityManager } from '@mikro-orm/postgresql'
import { RunLost } from '../runs/lease.ts'
import { sql } from '../sql.ts'
import { joinTasks } from './join-tasks.ts'
import { markOutdatedRows } from './outdated-rows.ts'
import { writeParams } from './page-params.ts'
import { writeStatement } from './page-statement.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { ShardChanged } from './shards.ts'
import type { Written } from './sink.ts'

/**
 * Writes tasks, links, predictions, annotations, issues, counters and the checkpoint in one statement. If `needsTransaction` is
 * true, further statements follow, so `em` must be in a transaction. Rows that have links are left out: the same page written
 * again, as after a crash, changes nothing, not even counters.
 * @throws RunLost, ShardChanged if the lease of the run or range has passed to another worker (fencing); ShardChanged if another
 * run has written a newer version of an object since `claimedAt`.
 */
export async function writePage(em: EntityManager, target: PageTarget, part: PageWrite): Promise<Written> {
  const written = await runStatement(em, target, { text: writeStatement, params: writeParams(target, part) })
  await recordKeys(em, target, part)
  if (part.restored.length > 0) await setExistence(em, target.storage, part.restored, true)
  if (target.replaces) await markOutdatedRows(em, target, part)
  const joined = await joinTasks(em, target, part.tasks)
  return { ...written, created: written.created - joined }
}

/** Whether `writePage` needs more than one statement. */
export function needsTransaction(part: PageWrite, target: PageTarget): boolean {
  const joins = part.tasks.some(({ origin }) => origin !== undefined)
  // The transaction is rolled back if another run has replaced the same tasks meanwhile.
  const replacesTasks = target.replaces && part.tasks.some(({ isNew }) => !isNew)
  return joins || replacesTasks || part.restored.length > 0 || needsRecords(part, target)
}

/** Whether keys or outdated rows must be recorded besides what the statement of the page writes. */
export function needsRecords({ missing, unread, seen, objects, tasks }: PageWrite, { replaces }: PageTarget): boolean {
  const mayOutdate =
    objects.some(({ rows, isNew }) => rows !== null && !isNew) || tasks.some(({ row, isNew }) => row === -1 && !isNew)
  return missing.length + unread.length + seen.length > 0 || (replaces && mayOutdate)
}

/** Runs the statement of a page. @throws RunLost, ShardChanged */
export async function runStatement(
  em: EntityManager,
  target: PageTarget,
  { text, params }: { text: string; params: unknown[] },
): Promise<Written> {
  const [written] = await sql<Record<keyof Written | 'overtaken', string>>(em, text, params)
  if (!written) throw (await isHeld(em, target)) ? new ShardChanged() : new RunLost()
  if (Number(written.overtaken) > 0) throw new ShardChanged()
  return { created: Number(written.created), existed: Number(written.existed) }
}

async function isHeld(em: EntityManager, { run, attempt }: PageTarget): Promise<boolean> {
  const rows = await sql(em, `select 1 from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS'`, [
    run,
    attempt,
  ])
  return rows.length > 0
}

/** Records the keys that the sweep after the last page needs. */
export async function recordKeys(em: EntityManager, { run }: PageTarget, part: PageWrite): Promise<void> {
  const record = (kind: string, keys: string[]) =>
    sql(em, 'insert into sync_key (run_id, kind, key) select $1, $2, unnest($3::text[]) on conflict do nothing', [
      run,
      kind,
      keys,
    ])
  if (part.missing.length > 0) await record('MISSING', part.missing)
  if (part.unread.length > 0) await record('UNREAD', part.unread)
  if (part.seen.length > 0) await record('SEEN', part.seen)
}

/**
 * Sets for the links and objects of these keys whether the object exists. A link whose row is missing stays flagged when the object
 * is listed again. Returns the number of links that changed.
 */
export async function setExistence(
  em: EntityManager,
  storage: number,
  keys: string[],
  exists: boolean,
): Promise<number> {
  let links = 0
  for (const rows of ['row_index = -1', 'row_index <> -1']) {
    const changed = await sql(
      em,
      `update import_link set object_exists = $3, updated_at = now()
       where storage_id = $1 and key = any($2) and ${rows} and object_exists <> $3 and (row_exists or not $3)
       returning 1`,
      [storage, keys, exists],
    )
    links += changed.length
  }
  await sql(
    em,
    'update imported_object set object_exists = $3 where storage_id = $1 and key = any($2) and object_exists <> $3',
    [storage, keys, exists],
  )
  return links
}
