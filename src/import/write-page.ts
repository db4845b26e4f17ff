import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { heldRun, RunLost } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { type AppliedRows, applyRows, nothingApplied } from './apply-rows.ts'
import { joinTasks } from './join-tasks.ts'
import { type WrittenRow, writeStatement } from './page-statement.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { ShardChanged } from './shards.ts'
import type { Written } from './sink.ts'
import { stageRows } from './stage-rows.ts'

/**
 * Writes tasks, links, predictions, annotations, issues, counters and the checkpoint in one statement. If `needsTransaction` is
 * true, further statements follow, so `em` must be in a transaction. Rows that have links are left out: the same page written
 * again, as after a crash, changes nothing, not even counters.
 * @throws RunLost, ShardChanged if the lease of the run or range has passed to another worker (fencing); ShardChanged if another
 * run has written a newer version of an object since `claimedAt`.
 */
export async function writePage(em: EntityManager, target: PageTarget, part: PageWrite): Promise<Written> {
  if (part.staged.length > 0) await stageRows(em, target.run, part.staged)
  const applied = part.read.length > 0 ? await applyRows(em, target, part.read) : nothingApplied()
  const written = await runStatement(em, target, writeStatement(target, withApplied(part, applied)))
  await recordKeys(em, target, part)
  if (part.restored.length > 0) await setExistence(em, target.storage, part.restored, true)
  const joined = await joinTasks(em, target, [...part.tasks, ...applied.joinable])
  return { ...written, created: written.created - joined }
}

/** Whether `writePage` needs more than one statement. */
export function needsTransaction(part: PageWrite, target: PageTarget): boolean {
  const joins = part.tasks.some(({ origin }) => origin !== undefined)
  // The transaction is rolled back if another run has replaced the same tasks meanwhile.
  const replacesTasks = target.replaces && part.tasks.some(({ isNew }) => !isNew)
  return joins || replacesTasks || part.restored.length > 0 || needsRecords(part)
}

/** Whether rows are staged, or keys must be recorded besides what the statement of the page writes. */
export function needsRecords({ missing, unread, seen, staged, read }: PageWrite): boolean {
  return missing.length + unread.length + seen.length + staged.length + read.length > 0
}

/** The part with what the rows of objects that were read again have changed. */
export const withApplied = (
  part: PageWrite,
  { issues, created, updated, existed, furtherIssues }: AppliedRows,
): PageWrite => ({
  ...part,
  issues: [...part.issues, ...issues],
  changes: { created, updated, existed, failed: furtherIssues },
})

/** Runs the statement of a page. @throws RunLost, ShardChanged */
export async function runStatement(
  em: EntityManager,
  target: PageTarget,
  statement: RawBuilder<WrittenRow>,
): Promise<Written> {
  const [written] = await execute(em, statement)
  if (!written) throw (await isHeld(em, target)) ? new ShardChanged() : new RunLost()
  if (Number(written.overtaken) > 0) throw new ShardChanged()
  return { created: Number(written.created), existed: Number(written.existed) }
}

async function isHeld(em: EntityManager, { run, attempt }: PageTarget): Promise<boolean> {
  const rows = await execute(em, sql`select 1 from sync_run where ${heldRun({ id: run, attempt })}`)
  return rows.length > 0
}

/** Records the keys that the sweep after the last page needs. */
export async function recordKeys(em: EntityManager, { run }: PageTarget, part: PageWrite): Promise<void> {
  const record = (kind: string, keys: string[]) =>
    execute(
      em,
      sql`insert into sync_key (run_id, kind, key)
        select ${run}::bigint, ${kind}::text, unnest(${keys}::text[]) on conflict do nothing`,
    )
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
  for (const rows of [sql`row_index = -1`, sql`row_index <> -1`]) {
    const changed = await execute(
      em,
      sql`update import_link set object_exists = ${exists}, updated_at = now()
        where storage_id = ${storage} and key = any(${keys}) and ${rows} and object_exists <> ${exists}
          and (row_exists or not ${exists})
        returning 1`,
    )
    links += changed.length
  }
  await execute(
    em,
    sql`update imported_object set object_exists = ${exists}
      where storage_id = ${storage} and key = any(${keys}) and object_exists <> ${exists}`,
  )
  return links
}
