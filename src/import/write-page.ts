import type { EntityManager } from '@mikro-orm/postgresql'
import { RunLost } from '../runs/lease.ts'
import { sql } from '../sql.ts'
import { arrayOf, textsOf } from './array-literal.ts'
import { joinTasks } from './join-tasks.ts'
import type { NewTask } from './new-task.ts'
import { markOutdatedRows, noteOutdatedRows } from './outdated-rows.ts'
import { countStatement, writeStatement } from './page-statement.ts'
import type { PageTarget, PageWrite } from './page-write.ts'

/** A write with nothing in it. */
export function emptyPageWrite(): PageWrite {
  return {
    tasks: [],
    issues: [],
    objects: [],
    restored: [],
    missing: [],
    unread: [],
    seen: [],
    counts: { listed: 0, skipped: 0, existed: 0, bytesRead: 0 },
    checkpoint: undefined,
  }
}

/** Another worker of the run took over or split the range. Nothing was written; the worker reads its range again. */
export class ShardChanged extends Error {
  constructor() {
    super('Another worker split or took over the range of keys.')
  }
}

/** What a write changed. */
export interface Written {
  created: number
  /** Rows that already had links, if the write has no checkpoint. The last write of the page counts them. */
  existed: number
}

/**
 * Writes tasks, links, predictions, annotations, issues, counters and the checkpoint in one statement. If `needsTransaction` is
 * true, further statements follow, so `em` must be in a transaction. Rows that have links are left out: the same page written
 * again, as after a crash, changes nothing, not even counters.
 * @throws RunLost, ShardChanged if the lease of the run or range has passed to another worker (fencing).
 */
export async function writePage(em: EntityManager, target: PageTarget, part: PageWrite): Promise<Written> {
  const { tasks, issues, objects, counts, checkpoint } = part
  const shared = [
    target.run,
    target.attempt,
    target.number,
    target.holder,
    target.until,
    checkpoint !== undefined,
    checkpoint?.cursor ?? null,
    checkpoint?.lastKey ?? null,
    checkpoint?.pages ?? 0,
    target.storage,
    tasks.map((t) => t.object.key),
    arrayOf(tasks.map((t) => t.rowGroup)),
    arrayOf(tasks.map((t) => t.row)),
    target.replaces,
    arrayOf(tasks.map((t) => t.object.size)),
    tasks.map((t) => t.object.etag),
    tasks.map((t) => t.object.lastModified?.toISOString() ?? null),
    issues.map((i) => i.key),
    issues.map((i) => i.rowGroup),
    issues.map((i) => i.row),
    issues.map((i) => i.code),
    issues.map((i) => storable(i.message)),
    issues.map((i) => i.retryable),
    counts.listed,
    counts.skipped,
    counts.existed,
    counts.bytesRead,
    tasks.map((t) => t.data),
    textsOf(tasks.map((t) => t.meta)),
    arrayOf(tasks.map((t) => t.allowSkip)),
    // Objects that the diff found new need no second check: nobody else writes to the range.
    tasks.some((t) => !t.isNew),
  ]
  const [written] = await sql<Record<keyof Written, string>>(
    em,
    target.dryRun ? countStatement : writeStatement,
    target.dryRun
      ? shared
      : [...shared, target.project, ...labelColumns(tasks), ...objectColumns(objects), ...timeColumns(tasks)],
  )
  if (!written) throw (await isHeld(em, target)) ? new ShardChanged() : new RunLost()
  await writeRest(em, target, part)
  const joined = target.dryRun ? 0 : await joinTasks(em, target, tasks)
  return { created: Number(written.created) - joined, existed: Number(written.existed) }
}

/** Whether `writePage` needs more than one statement. */
export function needsTransaction(
  { restored, missing, unread, seen, objects, tasks }: PageWrite,
  { replaces }: PageTarget,
): boolean {
  const joins = tasks.some(({ origin }) => origin !== undefined)
  const mayOutdate =
    objects.some(({ rows, isNew }) => rows !== null && !isNew) || tasks.some(({ row, isNew }) => row === -1 && !isNew)
  return joins || restored.length + missing.length + unread.length + seen.length > 0 || (replaces && mayOutdate)
}

function labelColumns(tasks: NewTask[]): unknown[] {
  const predictions = tasks.flatMap((task, at) => task.predictions.map((p) => ({ ...p, at: at + 1 })))
  const annotations = tasks.flatMap((task, at) => task.annotations.map((a) => ({ ...a, at: at + 1 })))
  return [
    predictions.map((p) => p.at),
    predictions.map((p) => p.result),
    predictions.map((p) => p.score),
    predictions.map((p) => p.modelVersion && storable(p.modelVersion)),
    annotations.map((a) => a.at),
    annotations.map((a) => a.result),
    annotations.map((a) => a.wasCancelled),
    annotations.map((a) => a.leadTimeSeconds),
    annotations.map((a) => a.importId),
    annotations.map((a) => a.completedBy && storable(a.completedBy)),
  ]
}

/** Null if no row has a time, which is usual: PostgreSQL then skips the lookup for each row. */
function timeColumns(tasks: NewTask[]): unknown[] {
  const column = (items: { createdAt?: string; updatedAt?: string }[], name: 'createdAt' | 'updatedAt') =>
    items.some((item) => item[name] !== undefined) ? items.map((item) => item[name] ?? null) : null
  const predictions = tasks.flatMap((task) => task.predictions)
  const annotations = tasks.flatMap((task) => task.annotations)
  return [
    column(tasks, 'createdAt'),
    column(tasks, 'updatedAt'),
    column(predictions, 'createdAt'),
    column(annotations, 'createdAt'),
    column(annotations, 'updatedAt'),
  ]
}

function objectColumns(objects: PageWrite['objects']): unknown[] {
  return [
    objects.map((o) => o.object.key),
    objects.map((o) => o.rows),
    objects.map((o) => o.object.size),
    objects.map((o) => o.object.etag),
    objects.map((o) => o.object.lastModified?.toISOString() ?? null),
  ]
}

/** PostgreSQL's `text` cannot store NUL; `json` can store its escape. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd')

async function isHeld(em: EntityManager, { run, attempt }: PageTarget): Promise<boolean> {
  const rows = await sql(em, `select 1 from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS'`, [
    run,
    attempt,
  ])
  return rows.length > 0
}

async function writeRest(em: EntityManager, target: PageTarget, part: PageWrite): Promise<void> {
  const recordKeys = (kind: string, keys: string[]) =>
    sql(em, 'insert into sync_key (run_id, kind, key) select $1, $2, unnest($3::text[]) on conflict do nothing', [
      target.run,
      kind,
      keys,
    ])
  if (part.missing.length > 0) await recordKeys('MISSING', part.missing)
  if (part.unread.length > 0) await recordKeys('UNREAD', part.unread)
  if (part.seen.length > 0) await recordKeys('SEEN', part.seen)
  if (target.dryRun) return target.replaces ? noteOutdatedRows(em, target, part) : undefined
  if (part.restored.length > 0) await setExistence(em, target.storage, part.restored, true)
  if (target.replaces) await markOutdatedRows(em, target, part)
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
