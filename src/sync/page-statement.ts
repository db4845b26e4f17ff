/** How many issues of a run are stored; of more only the number is kept. */
export const maxStoredIssues = 10_000

// `offset 0` keeps the look for a known link a look for each row in its unique index: by the statistics of a table that has
// just begun to grow, the planner would rather read all links of the storage for every page.
const link = (columns: string, where: string) =>
  `left join lateral (select ${columns} from import_link l where l.storage_id = $10 and l.key = i.key and ${where} offset 0)`

// The run's row is locked before any id of a link is drawn: so the ids of one storage's links are in the order of commits.
const common = `
with held as materialized (
  select id, first_link, failed from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS' for update),
mine as materialized (
  update sync_shard s set
    cursor = case when $6 then $7 else cursor end, last_key = coalesce($8, last_key), pages = pages + $9,
    done = done or ($6 and $7::text is null), heartbeat_at = now()
  from held
  where s.run_id = held.id and s.number = $3 and s.holder = $4 and s.attempt = $2 and s.until is not distinct from $5
    and not s.done
  returning held.id, held.first_link, held.failed),
given as materialized (
  select i.*, coalesce(a.id, b.id) as link_id, coalesce(a.task_id, b.task_id) as linked_task,
    $14::bool and (coalesce(a.etag, b.etag), coalesce(a.size, b.size), coalesce(a.last_modified, b.last_modified))
      is distinct from (i.etag, i.size, i.last_modified) as replaced
  from mine cross join unnest($11::text[], $12::int[], $13::int[], $15::bigint[], $16::text[], $17::timestamptz[])
    with ordinality as i (key, row_group, row_index, size, etag, last_modified, at)
  ${link('l.*', 'l.row_index = -1 and i.row_index = -1')} a on true
  ${link('l.*', 'l.row_group = i.row_group and l.row_index = i.row_index and l.row_index <> -1')} b on true),
amount as materialized (
  select count(*) filter (where link_id is null) as fresh,
    count(*) filter (where link_id is not null and replaced) as replaced,
    -- A link of this run was counted when it was made: the page is written again after a crash.
    count(*) filter (where not replaced and link_id <= coalesce(first_link, link_id)) as existed
  from given, mine),
issue as materialized (
  select i.* from unnest($18::text[], $19::int[], $20::int[], $21::text[], $22::text[], $23::bool[])
    with ordinality as i (key, row_group, row_index, code, message, retryable, n), mine
  where mine.failed + i.n <= ${maxStoredIssues}),
stored as (
  insert into sync_issue (run_id, key, row_group, row_index, code, message, retryable)
  select mine.id, i.key, i.row_group, i.row_index, i.code, i.message, i.retryable from mine, issue i order by i.n
  on conflict do nothing
  returning 1)`

const counters = `
update sync_run r set
  listed = listed + $24, skipped = skipped + $25, matched = matched + ($24 - $25),
  existed = r.existed + $26 + amount.existed, created = created + amount.fresh, updated = updated + amount.replaced,
  -- Issues that were there already are those of a page that is written again.
  failed = r.failed + cardinality($18::text[]) - (select count(*) from issue) + (select count(*) from stored),
  bytes_read = bytes_read + $27, heartbeat_at = now()
from mine, amount where r.id = mine.id
returning amount.fresh as created`

/** Counts what the same parameters would write, and stores only the counts, the issues and the cursor. */
export const countStatement = `${common}${counters}`

/** Writes a part of a page. */
export const writeStatement = `${common},
fresh as materialized (
  select g.*, t.data, t.meta, t.allow_skip, nextval('task_id_seq') as task_id, row_number() over (order by g.at) as n
  from given g join unnest($29::text[], $30::text[], $31::bool[]) with ordinality as t (data, meta, allow_skip, at) on t.at = g.at
  where g.link_id is null),
numbered as (
  update project set last_inner_id = last_inner_id + amount.fresh from amount
  where project.id = $28 and amount.fresh > 0
  returning last_inner_id - amount.fresh as base),
tasks as (
  insert into task (id, project_id, inner_id, data, meta, allow_skip)
  select f.task_id, $28, numbered.base + f.n, f.data::json, f.meta::json, f.allow_skip from fresh f, numbered order by f.n),
links as (
  insert into import_link (storage_id, task_id, key, row_group, row_index, size, etag, last_modified)
  select $10, f.task_id, f.key, f.row_group, f.row_index, f.size, f.etag, f.last_modified from fresh f order by f.n),
renewed as (
  update task set data = t.data::json, meta = t.meta::json, allow_skip = t.allow_skip, updated_at = now()
  from given g join unnest($29::text[], $30::text[], $31::bool[]) with ordinality as t (data, meta, allow_skip, at) on t.at = g.at
  where g.replaced and task.id = g.linked_task),
relinked as (
  update import_link l set size = g.size, etag = g.etag, last_modified = g.last_modified, object_exists = true, updated_at = now()
  from given g where g.replaced and l.id = g.link_id),
outdated as (
  delete from prediction p using given g
  where g.replaced and p.task_id = g.linked_task and g.at = any($32::bigint[])),
owner as materialized (
  select at, task_id from fresh union all select at, linked_task from given where replaced and link_id is not null),
predictions as (
  insert into prediction (task_id, result, score, model_version)
  select o.task_id, p.result::json, p.score, p.model_version
  from unnest($32::bigint[], $33::text[], $34::float8[], $35::text[]) with ordinality
    as p (at, result, score, model_version, n)
  join owner o on o.at = p.at order by p.n),
annotations as (
  insert into annotation (task_id, result, was_cancelled, lead_time_seconds, import_id, completed_by)
  select f.task_id, a.result::json, a.was_cancelled, a.lead_time, a.import_id, a.completed_by
  from unnest($36::bigint[], $37::text[], $38::bool[], $39::float8[], $40::text[], $41::text[]) with ordinality
    as a (at, result, was_cancelled, lead_time, import_id, completed_by, n)
  join fresh f on f.at = a.at order by a.n),
objects as (
  insert into imported_object as o (storage_id, key, rows, size, etag, last_modified)
  select $10, n.key, n.rows, n.size, n.etag, n.last_modified
  from mine, unnest($42::text[], $43::bigint[], $44::bigint[], $45::text[], $46::timestamptz[]) as n (key, rows, size, etag, last_modified)
  on conflict (storage_id, key) do update set
    rows = excluded.rows, size = excluded.size, etag = excluded.etag, last_modified = excluded.last_modified, object_exists = true)
${counters}`
