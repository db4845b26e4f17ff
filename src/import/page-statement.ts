import { type RawBuilder, sql } from 'kysely'
import { heldRun } from '../runs/lease.ts'
import { annotationHash, predictionHash } from './label-hash.ts'
import { timesDiffer } from './link-states.ts'
import type { NewTask } from './new-task.ts'
import { numbered } from './number-tasks.ts'
import {
  annotationColumns,
  envelopeColumns,
  extraColumns,
  issueColumns,
  objectColumns,
  predictionColumns,
  taskColumns,
  timeColumn,
} from './page-columns.ts'
import type { PageTarget, PageWrite } from './page-write.ts'
import { contains, heldShard } from './shards.ts'

/** Most issues of a run that are stored. Further issues are only counted. */
export const maxStoredIssues = 10_000

/**
 * The row that both statements return. None if the lease of the run or range has passed to another worker, or the range has
 * changed.
 */
export interface WrittenRow {
  created: string
  existed: string
  overtaken: string
}

/** Counts what the same part would write, and stores only the counts, the issues and the cursor. */
export const countStatement = (target: PageTarget, part: PageWrite): RawBuilder<WrittenRow> =>
  statement([...common(target, part), ...compared(target, part.tasks, sql`0`)], part)

/**
 * Writes a part of a page. If it returns `overtaken` links, it must be rolled back. It contains only what its part needs, because
 * PostgreSQL plans it for each page.
 */
export function writeStatement(target: PageTarget, part: PageWrite): RawBuilder<WrittenRow> {
  const { tasks, objects } = part
  const isAllNew = tasks.every(({ isNew }) => isNew)
  const parts = [
    ...common(target, part),
    ...(isAllNew ? allNew(tasks) : someNew(target, tasks)),
    ...(tasks.length > 0 ? inserts(target, tasks) : []),
    ...(target.replaces && !isAllNew ? updates(tasks) : []),
    ...(objects.length > 0 ? [objectRows(target, objects)] : []),
  ]
  return statement(parts, part)
}

const statement = (parts: RawBuilder<unknown>[], part: PageWrite): RawBuilder<WrittenRow> => sql`
with ${sql.join(parts, sql`,\n`)}
${counters(part)}`

/** `placed` and `fresh` of a part without links. No other worker writes to the range, and the unique indexes refuse other runs. */
const allNew = (tasks: NewTask[]) => [
  sql`placed as materialized (
  select i.*, i.at as n, null::bigint as link_id, nextval('task_id_seq') as task_id
  from mine cross join ${rows(tasks)})`,
  sql`fresh as not materialized (select * from placed)`,
  sql`amount as (
  select ${tasks.length}::bigint as fresh, 0::bigint as replaced, 0::bigint as existed, 0::bigint as overtaken from mine)`,
]

/** The same of a part of which some rows may have links. */
function someNew(target: PageTarget, tasks: NewTask[]): RawBuilder<unknown>[] {
  // Another run may import the same object at the same time, and has written a version that it saw later. A link that was written
  // before the source was read is older than what the source returned.
  const overtaken = sql`count(*) filter (where link_id is not null and replaced and changed_at > ${target.claimedAt}::timestamptz)`
  return [
    ...compared(target, tasks, overtaken),
    sql`placed as materialized (
  select g.*, case when link_id is null then nextval('task_id_seq') else linked_task end as task_id,
    count(*) filter (where link_id is null) over (order by at) as n
  from given g)`,
    sql`fresh as materialized (select * from placed where link_id is null)`,
  ]
}

/** Inserts the fresh tasks with their links and labels. */
function inserts({ project, storage }: PageTarget, tasks: NewTask[]): RawBuilder<unknown>[] {
  const [created, updated] = [timeColumn(tasks, 'createdAt'), timeColumn(tasks, 'updatedAt')]
  return [
    numbered(project),
    sql`tasks as (
  insert into task (id, project_id, inner_id, data, meta, allow_skip, created_at, updated_at)
  select f.task_id, ${project}::bigint, numbered.base + f.n, f.data::json, f.meta::json, f.allow_skip,
    coalesce(${created}[f.at], now()),
    coalesce(${updated}[f.at], ${created}[f.at], now())
  from fresh f, numbered order by f.n)`,
    sql`links as (
  insert into import_link (storage_id, task_id, key, row_group, row_index, size, etag, last_modified)
  -- The CTE numbered locks the project before ids of links are allocated, so they are in the order of commits, also between runs.
  select ${storage}::bigint, f.task_id, f.key, f.row_group, f.row_index, f.size, f.etag, f.last_modified
  from fresh f, numbered order by f.n
  returning id)`,
    ...partsOfNewTasks(tasks),
  ]
}

/** Updates the tasks and links whose object changed. */
const updates = (tasks: NewTask[]) => [
  sql`renewed as (
  update task set data = g.data::json, meta = g.meta::json, allow_skip = g.allow_skip,
    updated_at = coalesce(${timeColumn(tasks, 'updatedAt')}[g.at], now())
  from given g where g.replaced and task.id = g.linked_task)`,
  sql`relinked as (
  update import_link l set size = g.size, etag = g.etag, last_modified = g.last_modified, object_exists = true,
    row_exists = true, updated_at = now()
  from given g where g.replaced and l.id = g.link_id)`,
]

const objectRows = ({ storage }: PageTarget, objects: PageWrite['objects']) => sql`objects as (
  insert into imported_object as o (storage_id, key, rows, finished_by, size, etag, last_modified)
  select ${storage}::bigint, n.key, n.rows, case when n.rows is not null then mine.id end, n.size, n.etag, n.last_modified
  from mine, unnest(${objectColumns(objects)}) as n (key, rows, size, etag, last_modified)
  on conflict (storage_id, key) do update set
    rows = excluded.rows, finished_by = excluded.finished_by, size = excluded.size, etag = excluded.etag, last_modified = excluded.last_modified,
    object_exists = true)`

/** What only some tasks have beside their row, if some new tasks of the part have it. */
function partsOfNewTasks(tasks: NewTask[]): RawBuilder<unknown>[] {
  const parts = [
    tasks.some(({ envelopeId }) => envelopeId !== undefined) && envelopes(tasks),
    tasks.some(({ extra }) => extra !== undefined) && extras(tasks),
    tasks.some(({ predictions }) => predictions.length > 0) && predictions(tasks),
    tasks.some(({ annotations }) => annotations.length > 0) && annotations(tasks),
  ].filter((part) => part !== false)
  if (parts.length === 0) return []
  return [
    // By their place in the page: a join would be a loop over all for each.
    sql`owner as materialized (
  select array_agg(case when link_id is null then task_id end order by at) as fresh, array_agg(n order by at) as n from placed)`,
    sql`linked as materialized (select array_agg(id order by id) as ids from links)`,
    ...parts,
  ]
}

const envelopes = (tasks: NewTask[]) => sql`envelopes as (
  insert into link_envelope (link_id, envelope_id)
  select linked.ids[owner.n[e.at]], e.envelope_id from owner, linked, unnest(${envelopeColumns(tasks)}) as e (at, envelope_id)
  where owner.fresh[e.at] is not null)`

/** Fields without a column. */
const extras = (tasks: NewTask[]) => sql`extras as (
  insert into task_extra (task_id, extra)
  select owner.fresh[e.at], e.extra::json from owner, unnest(${extraColumns(tasks)}) as e (at, extra)
  where owner.fresh[e.at] is not null order by e.at)`

const predictions = (tasks: NewTask[]) => sql`predictions as (
  insert into prediction (task_id, result, score, model_version, extra, source_link, file_hash, created_at)
  select owner.fresh[p.at], p.result::json, p.score, p.model_version, p.extra::json, linked.ids[owner.n[p.at]],
    ${predictionHash({ result: sql`p.result::json`, score: sql`p.score`, modelVersion: sql`p.model_version`, extra: sql`p.extra::json` })},
    coalesce(${timeColumn(
      tasks.flatMap((task) => task.predictions),
      'createdAt',
    )}[p.n], now())
  from owner, linked, unnest(${predictionColumns(tasks)}) with ordinality as p (at, result, score, model_version, extra, n)
  where owner.fresh[p.at] is not null order by p.n)`

function annotations(tasks: NewTask[]): RawBuilder<unknown> {
  const all = tasks.flatMap((task) => task.annotations)
  const [created, updated] = [timeColumn(all, 'createdAt'), timeColumn(all, 'updatedAt')]
  return sql`annotations as (
  insert into annotation (task_id, result, was_cancelled, lead_time_seconds, import_id, completed_by, extra, source_link, file_hash,
    created_at, updated_at)
  select owner.fresh[a.at], a.result::json, a.was_cancelled, a.lead_time, a.import_id, a.completed_by, a.extra::json,
    linked.ids[owner.n[a.at]],
    ${annotationHash({
      result: sql`a.result::json`,
      wasCancelled: sql`a.was_cancelled`,
      leadTime: sql`a.lead_time`,
      completedBy: sql`a.completed_by`,
      extra: sql`a.extra::json`,
    })},
    coalesce(${created}[a.n], now()),
    coalesce(${updated}[a.n], ${created}[a.n], now())
  from owner, linked, unnest(${annotationColumns(tasks)}) with ordinality
    as a (at, result, was_cancelled, lead_time, import_id, completed_by, extra, n)
  where owner.fresh[a.at] is not null order by a.n)`
}

/** The locked run and range, and the issues. */
function common(target: PageTarget, part: PageWrite): RawBuilder<unknown>[] {
  const { run, attempt } = target
  return [
    sql`held as materialized (
  select id, first_link, failed, started_at from sync_run where ${heldRun({ id: run, attempt })} for update)`,
    sql`mine as materialized (
  update sync_shard s set ${progress(part)} heartbeat_at = clock_timestamp()
  from held
  where s.run_id = held.id and ${heldShard(target)} and ${contains(part.end)}
  returning held.id, held.first_link, held.failed, held.started_at)`,
    ...(part.issues.length > 0 ? issueRows(part.issues) : []),
  ]
}

const issueRows = (issues: PageWrite['issues']) => [
  sql`issue as materialized (
  select i.* from unnest(${issueColumns(issues)})
    with ordinality as i (key, row_group, row_index, code, message, retryable, n), mine
  where mine.failed + i.n <= ${sql.lit(maxStoredIssues)})`,
  sql`stored as (
  insert into sync_issue (run_id, key, row_group, row_index, code, message, retryable)
  select mine.id, i.key, i.row_group, i.row_index, i.code, i.message, i.retryable from mine, issue i order by i.n
  on conflict do nothing
  returning 1)`,
]

const rows = (tasks: NewTask[]) => sql`unnest(${taskColumns(tasks)})
    with ordinality as i (key, row_group, row_index, size, etag, last_modified, data, meta, allow_skip, at)`

/** `given`: the rows with their links. `amount`: their numbers. */
const compared = (target: PageTarget, tasks: NewTask[], overtaken: RawBuilder<unknown>) => [
  sql`given as materialized (
  select i.*, coalesce(a.id, b.id) as link_id, coalesce(a.task_id, b.task_id) as linked_task,
    coalesce(a.updated_at, b.updated_at) as changed_at,
    ${target.replaces}::bool and coalesce(a.updated_at, b.updated_at) >= mine.started_at as is_own,
    ${target.replaces}::bool and ((coalesce(a.etag, b.etag), coalesce(a.size, b.size)) is distinct from (i.etag, i.size)
      or ${timesDiffer(sql`coalesce(a.last_modified, b.last_modified)`, sql`i.last_modified`)}
      or not coalesce(a.row_exists, b.row_exists, true)) as replaced
  from mine cross join ${rows(tasks)}
  ${link(target, tasks, 'l.row_index = -1 and i.row_index = -1')} a on true
  ${link(target, tasks, 'l.row_group = i.row_group and l.row_index = i.row_index and l.row_index <> -1')} b on true)`,
  sql`amount as materialized (
  select count(*) filter (where link_id is null) as fresh,
    count(*) filter (where link_id is not null and replaced) as replaced, ${overtaken} as overtaken,
    -- A link that this run has made or renewed was counted then: the page is written again after a crash.
    count(*) filter (where not replaced and not is_own and link_id <= coalesce(first_link, link_id)) as existed
  from given, mine)`,
]

/** How the range moves on. */
function progress({ checkpoint }: PageWrite): RawBuilder<unknown> {
  if (!checkpoint) return sql``
  const { cursor, lastKey, pages } = checkpoint
  return sql`cursor = ${cursor}, last_key = coalesce(${lastKey}, last_key), pages = pages + ${pages}, done = ${cursor === null},`
}

// `offset 0` forces one lookup in the unique index for each row. While the table is new, its statistics would make the planner read
// all links of the storage for every page. Rows that the diff found new need no lookup.
const link = ({ storage }: PageTarget, tasks: NewTask[], where: string) =>
  sql`left join lateral (
    select l.* from import_link l
    where ${tasks.some(({ isNew }) => !isNew)}::bool and l.storage_id = ${storage} and l.key = i.key and ${sql.raw(where)} offset 0)`

function counters({ counts, issues, changes, checkpoint }: PageWrite): RawBuilder<unknown> {
  const { listed, skipped, existed, bytesRead } = counts
  // A part of a page returns how many rows existed; the last part counts them with the checkpoint. Otherwise, a page that is read
  // again after a crash would count them twice.
  const known = sql`amount.existed + ${changes.existed}`
  const [counted, returned] = checkpoint ? [known, sql`0`] : [sql`0`, known]
  // Issues that were there already are those of a page that is written again.
  const repeated = issues.length > 0 ? sql`(select count(*) from issue) - (select count(*) from stored)` : sql`0`
  return sql`
update sync_run r set
  listed = listed + ${listed}, skipped = skipped + ${skipped}, matched = matched + ${listed - skipped},
  existed = r.existed + ${existed} + ${counted}, created = created + amount.fresh + ${changes.created},
  updated = updated + amount.replaced + ${changes.updated},
  failed = r.failed + ${issues.length + changes.failed} - (${repeated}),
  bytes_read = bytes_read + ${bytesRead}, heartbeat_at = clock_timestamp()
from mine, amount where r.id = mine.id
returning amount.fresh + ${changes.created} as created, ${returned} as existed, amount.overtaken`
}
