import type { EntityManager } from '@mikro-orm/postgresql'
import type { ErrorCode } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import { sql } from '../sql.ts'
import type { ParsedTask } from './parse-task.ts'
import type { RunHold } from './run.ts'

/** A task and where it came from: `row` of `rowGroup` (-1 outside of Parquet), or -1 when the object is one task. */
export interface NewTask extends ParsedTask {
  object: ObjectInfo
  rowGroup: number
  row: number
}

/** Why an object, or one of its rows, was not imported. */
export interface NewIssue {
  key: string
  rowGroup: number
  row: number
  code: ErrorCode
  message: string
  retryable: boolean
}

/** A part of a page, or the last part, which moves the cursor. */
export interface PageWrite {
  tasks: NewTask[]
  issues: NewIssue[]
  /** Objects of several rows that are complete with this write. */
  finished: { key: string; rows: number }[]
  /** Added to the run's counters. */
  counts: { listed: number; skipped: number; existed: number; bytesRead: number }
  /** Where the listing continues; undefined while the page is not done. */
  cursor: string | null | undefined
}

/** The run is held by another worker, or has ended: nothing was written, and nothing more may be. */
export class RunLost extends Error {
  constructor() {
    super('The run has been taken over by another worker, or has ended.')
  }
}

/**
 * Writes tasks, links, predictions, annotations, issues, counters and cursor in one statement, so that all of it is
 * committed or none. A row that is linked already is left out and counts as existed: writing the same page again changes
 * nothing. Number of tasks created.
 * @throws RunLost when the run's attempt is not the holder's (fencing).
 */
export async function writePage(
  em: EntityManager,
  run: RunHold & { storage: number; project: number },
  { tasks, issues, finished, counts, cursor }: PageWrite,
): Promise<number> {
  const predictions = tasks.flatMap((task, at) => task.predictions.map((p) => ({ ...p, at: at + 1 })))
  const annotations = tasks.flatMap((task, at) => task.annotations.map((a) => ({ ...a, at: at + 1 })))
  const [written] = await sql<{ created: string }>(em, statement, [
    run.id,
    run.attempt,
    run.storage,
    run.project,
    tasks.map((t) => t.object.key),
    tasks.map((t) => t.rowGroup),
    tasks.map((t) => t.row),
    tasks.map((t) => t.data),
    tasks.map((t) => t.meta),
    tasks.map((t) => t.allowSkip),
    tasks.map((t) => t.object.size),
    tasks.map((t) => t.object.etag),
    tasks.map((t) => t.object.lastModified?.toISOString() ?? null),
    predictions.map((p) => p.at),
    predictions.map((p) => p.result),
    predictions.map((p) => p.score),
    predictions.map((p) => p.modelVersion && storable(p.modelVersion)),
    annotations.map((a) => a.at),
    annotations.map((a) => a.result),
    annotations.map((a) => a.wasCancelled),
    annotations.map((a) => a.leadTimeSeconds),
    annotations.map((a) => a.importId),
    issues.map((i) => i.key),
    issues.map((i) => i.rowGroup),
    issues.map((i) => i.row),
    issues.map((i) => i.code),
    issues.map((i) => storable(i.message)),
    issues.map((i) => i.retryable),
    finished.map((f) => f.key),
    finished.map((f) => f.rows),
    counts.listed,
    counts.skipped,
    counts.existed,
    counts.bytesRead,
    cursor !== undefined,
    cursor ?? null,
  ])
  if (!written) throw new RunLost()
  return Number(written.created)
}

/** PostgreSQL's `text` holds no NUL; `json` holds its escape. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd')

// `offset 0` keeps the look for known links a look for each row in their unique index: by the statistics of a table that has
// just begun to grow, the planner would rather read all links of the storage for every page.
const statement = `
with held as materialized (
  select id from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS' for update),
fresh as materialized (
  select i.*, nextval('task_id_seq') as task_id, row_number() over (order by i.at) as n
  from held,
    unnest($5::text[], $6::int[], $7::int[], $8::text[], $9::text[], $10::bool[], $11::bigint[], $12::text[], $13::timestamptz[])
    with ordinality as i (key, row_group, row_index, data, meta, allow_skip, size, etag, last_modified, at)
  where not exists (
    select 1 from import_link l
    where l.storage_id = $3 and l.key = i.key and l.row_group = i.row_group and l.row_index = i.row_index offset 0)),
amount as materialized (select count(*) as fresh from fresh),
numbered as (
  update project set last_inner_id = last_inner_id + amount.fresh from amount
  where project.id = $4 and amount.fresh > 0
  returning last_inner_id - amount.fresh as base),
tasks as (
  insert into task (id, project_id, inner_id, data, meta, allow_skip)
  select f.task_id, $4, numbered.base + f.n, f.data::json, f.meta::json, f.allow_skip from fresh f, numbered order by f.n),
links as (
  insert into import_link (storage_id, task_id, key, row_group, row_index, size, etag, last_modified)
  select $3, f.task_id, f.key, f.row_group, f.row_index, f.size, f.etag, f.last_modified from fresh f order by f.n),
predictions as (
  insert into prediction (task_id, result, score, model_version)
  select f.task_id, p.result::json, p.score, p.model_version
  from unnest($14::bigint[], $15::text[], $16::float8[], $17::text[]) as p (at, result, score, model_version)
  join fresh f on f.at = p.at),
annotations as (
  insert into annotation (task_id, result, was_cancelled, lead_time_seconds, import_id)
  select f.task_id, a.result::json, a.was_cancelled, a.lead_time, a.import_id
  from unnest($18::bigint[], $19::text[], $20::bool[], $21::float8[], $22::text[])
    as a (at, result, was_cancelled, lead_time, import_id)
  join fresh f on f.at = a.at),
found as (
  insert into sync_issue (run_id, key, row_group, row_index, code, message, retryable)
  select held.id, i.key, i.row_group, i.row_index, i.code, i.message, i.retryable
  from held, unnest($23::text[], $24::int[], $25::int[], $26::text[], $27::text[], $28::bool[])
    as i (key, row_group, row_index, code, message, retryable)
  on conflict do nothing
  returning 1),
finished as (
  insert into imported_object (storage_id, key, rows)
  select $3, o.key, o.rows from held, unnest($29::text[], $30::bigint[]) as o (key, rows)
  on conflict (storage_id, key) do update set rows = excluded.rows)
update sync_run set
  listed = listed + $31, skipped = skipped + $32, matched = matched + ($31 - $32),
  existed = existed + $33 + (cardinality($5::text[]) - amount.fresh),
  created = created + amount.fresh, failed = failed + (select count(*) from found), bytes_read = bytes_read + $34,
  cursor = case when $35 then $36 else cursor end, heartbeat_at = now()
from held, amount where sync_run.id = held.id
returning amount.fresh as created`

/** Of the given keys, those that this storage has imported to the end. */
export async function importedKeys(em: EntityManager, storage: number, keys: string[]): Promise<Set<string>> {
  const rows = await sql<{ key: string }>(
    em,
    `select key from import_link
     where storage_id = $1 and key = any($2) and row_group = -1 and row_index = -1
     union all
     select o.key from imported_object o where o.storage_id = $1 and o.key = any($2)
       and o.rows = (select count(*) from import_link l where l.storage_id = o.storage_id and l.key = o.key)`,
    [storage, keys],
  )
  return new Set(rows.map((row) => row.key))
}
