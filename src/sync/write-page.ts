import type { EntityManager } from '@mikro-orm/postgresql'
import type { ErrorCode } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import { sql } from '../sql.ts'
import { arrayOf, textsOf } from './array-literal.ts'
import { joinTasks } from './join-tasks.ts'
import { countStatement, writeStatement } from './page-statement.ts'
import type { ParsedTask } from './parse-task.ts'
import type { ShardHold } from './shards.ts'

/** A task and where it came from: `row` of `rowGroup` (-1 outside of Parquet), or -1 when the object is one task. */
export interface NewTask extends ParsedTask {
  object: ObjectInfo
  rowGroup: number
  row: number
  /** Whether it is certain that nothing of its object is linked. */
  isNew: boolean
}

/** Why an object, or one of its rows, was not imported. */
export interface NewIssue {
  key: string | null
  rowGroup: number
  row: number
  code: ErrorCode
  message: string
  retryable: boolean
}

/** What is added to a run's counters. */
export interface PageCounts {
  listed: number
  skipped: number
  existed: number
  bytesRead: number
}

/** A part of a page, or the last part, which moves the cursor. */
export interface PageWrite {
  tasks: NewTask[]
  issues: NewIssue[]
  /** Objects of several rows of which some are written; `rows` once all are. */
  objects: { object: ObjectInfo; rows: number | null }[]
  /** Keys of flagged links whose objects are there again. */
  back: string[]
  /** Keys that are linked and not listed, to be kept in mind until the listing is complete. */
  missing: string[]
  /** Keys that were listed, where that is needed to know what was not. */
  seen: string[]
  counts: PageCounts
  /** Moves the cursor; undefined while the page is not done. */
  checkpoint: { cursor: string | null; lastKey: string | null; pages: number } | undefined
}

/** A part with nothing in it. */
export function emptyPart(): PageWrite {
  return {
    tasks: [],
    issues: [],
    objects: [],
    back: [],
    missing: [],
    seen: [],
    counts: { listed: 0, skipped: 0, existed: 0, bytesRead: 0 },
    checkpoint: undefined,
  }
}

/** The run is held by another worker, or has ended: nothing was written, and nothing more may be. */
export class RunLost extends Error {
  constructor() {
    super('The run has been taken over by another worker, or has ended.')
  }
}

/** The range was taken over or cut by another worker of the run: nothing was written. What is left of it is to be read anew. */
export class ShardChanged extends Error {
  constructor() {
    super('The range of keys has been cut or taken over by another worker.')
  }
}

/** Where a page is written to. */
export interface PageTarget extends ShardHold {
  storage: number
  project: number
  /** Whether a task that is linked already, to another version of the object, is replaced. */
  replaces: boolean
  /** Whether rows of a replaced object that are no longer in it are flagged. */
  flagsMissing: boolean
  /** Counts what would be written, and writes only that. */
  dryRun: boolean
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
    target.dryRun ? shared : [...shared, target.project, ...labelColumns(tasks), ...objectColumns(objects)],
  )
  if (!written) throw (await isHeld(em, target)) ? new ShardChanged() : new RunLost()
  await writeRare(em, target, part)
  const joined = target.dryRun ? 0 : await joinTasks(em, target, tasks)
  return { created: Number(written.created) - joined, existed: Number(written.existed) }
}

/** Whether `writePage` does more with a part than its one statement. */
export function hasRare({ back, missing, seen, objects, tasks }: PageWrite, { replaces }: PageTarget): boolean {
  const joins = tasks.some(({ origin }) => origin !== undefined)
  return joins || back.length + missing.length + seen.length > 0 || (replaces && objects.length + tasks.length > 0)
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
  if (part.seen.length > 0) await remember('SEEN', part.seen)
  if (target.dryRun) return
  if (part.back.length > 0) await setExistence(em, target.storage, part.back, true)
  if (target.replaces) await dropOldRows(em, target, part)
}

/** Notes on links and objects of these keys whether the object is there. Number of links that said otherwise. */
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
       where storage_id = $1 and key = any($2) and ${rows} and object_exists <> $3 returning 1`,
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

/** What a changed object no longer has: rows that still have the old version after it was read to its end. */
async function dropOldRows(em: EntityManager, target: PageTarget, { objects, tasks }: PageWrite): Promise<void> {
  const complete = objects.flatMap(({ object, rows }) => (rows === null ? [] : [object.key]))
  const singles = tasks.flatMap(({ object, row }) => (row === -1 ? [object.key] : []))
  const gone = await sql<{ key: string }>(
    em,
    'delete from imported_object where storage_id = $1 and key = any($2) returning key',
    [target.storage, singles],
  )
  if (!target.flagsMissing) return
  for (const rows of ['row_index = -1', 'row_index <> -1']) {
    await sql(
      em,
      `update import_link l set object_exists = false, updated_at = now() from imported_object o
       where o.storage_id = $1 and o.key = any($2) and l.storage_id = $1 and l.key = o.key and l.${rows}
         and (l.etag, l.size, l.last_modified) is distinct from (o.etag, o.size, o.last_modified)`,
      [target.storage, complete],
    )
  }
  await sql(
    em,
    `update import_link set object_exists = false, updated_at = now()
     where storage_id = $1 and key = any($2) and row_index <> -1`,
    [target.storage, gone.map(({ key }) => key)],
  )
}
