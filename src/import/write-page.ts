import type { EntityManager } from '@mikro-orm/postgresql'
import { RunLost } from '../runs/lease.ts'
import { sql } from '../sql.ts'
import { arrayOf, textsOf } from './array-literal.ts'
import { joinTasks } from './join-tasks.ts'
import type { NewTask } from './new-task.ts'
import { markOutdatedRows, noteOutdatedRows } from './outdated-rows.ts'
import { countStatement, writeStatement } from './page-statement.ts'
import type { PageTarget, PageWrite } from './page-write.ts'

/** A part with nothing in it. */
export function emptyPart(): PageWrite {
  return {
    tasks: [],
    issues: [],
    objects: [],
    back: [],
    missing: [],
    unread: [],
    seen: [],
    counts: { listed: 0, skipped: 0, existed: 0, bytesRead: 0 },
    checkpoint: undefined,
  }
}

/** The range was taken over or cut by another worker of the run: nothing was written. What is left of it is to be read anew. */
export class ShardChanged extends Error {
  constructor() {
    super('The range of keys has been cut or taken over by another worker.')
  }
}

/** What a part came to. */
export interface Written {
  created: number
  /** Rows that were linked before, where the part has no checkpoint: its page counts them with its own. */
  existed: number
}

/**
 * Writes tasks, links, predictions, annotations, issues, counters and cursor, so that all of it is committed or none; what is
 * common in one statement, and what is rare beside it in the transaction of `em`, which must be one when there is any. A row
 * that is linked already is left out: writing the same page again, as after a crash, changes nothing, counters included.
 * @throws RunLost, ShardChanged when the writer does not hold what it writes to (fencing).
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
    // What the sifting found unknown in a range that nobody else writes to needs no second look.
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
  await writeRare(em, target, part)
  const joined = target.dryRun ? 0 : await joinTasks(em, target, tasks)
  return { created: Number(written.created) - joined, existed: Number(written.existed) }
}

/** Whether `writePage` does more with a part than its one statement. */
export function hasRare({ back, missing, unread, seen, objects, tasks }: PageWrite, { replaces }: PageTarget): boolean {
  const joins = tasks.some(({ origin }) => origin !== undefined)
  const mayOutdate =
    objects.some(({ rows, isNew }) => rows !== null && !isNew) || tasks.some(({ row, isNew }) => row === -1 && !isNew)
  return joins || back.length + missing.length + unread.length + seen.length > 0 || (replaces && mayOutdate)
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

/** Null where no file gives a time, as most do not: then each row would look for its own among nulls. */
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

/** PostgreSQL's `text` holds no NUL; `json` holds its escape. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd')

async function isHeld(em: EntityManager, { run, attempt }: PageTarget): Promise<boolean> {
  const rows = await sql(em, `select 1 from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS'`, [
    run,
    attempt,
  ])
  return rows.length > 0
}

async function writeRare(em: EntityManager, target: PageTarget, part: PageWrite): Promise<void> {
  const remember = (kind: string, keys: string[]) =>
    sql(em, 'insert into sync_key (run_id, kind, key) select $1, $2, unnest($3::text[]) on conflict do nothing', [
      target.run,
      kind,
      keys,
    ])
  if (part.missing.length > 0) await remember('MISSING', part.missing)
  if (part.unread.length > 0) await remember('UNREAD', part.unread)
  if (part.seen.length > 0) await remember('SEEN', part.seen)
  if (target.dryRun) return target.replaces ? noteOutdatedRows(em, target, part) : undefined
  if (part.back.length > 0) await setExistence(em, target.storage, part.back, true)
  if (target.replaces) await markOutdatedRows(em, target, part)
}

/**
 * Notes on links and objects of these keys whether the object is there. A link whose row is gone stays flagged when the object
 * is back. Number of links that said otherwise.
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
