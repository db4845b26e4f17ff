import { timesDiffer } from './link-states.ts'

/** How many issues of a run are stored; of more only the number is kept. */
export const maxStoredIssues = 10_000

// `offset 0` keeps the look for a known link a look for each row in its unique index: by the statistics of a table that has
// just begun to grow, the planner would rather read all links of the storage for every page.
const link = (columns: string, where: string) =>
  `left join lateral (
    select ${columns} from import_link l where $31::bool and l.storage_id = $10 and l.key = i.key and ${where} offset 0)`

// Another run may import the same object at the same time, and has written a version that it saw later. A link that was written
// before the source was read is older than what the source returned.
const isOvertaken = (claimedAt: string) => `link_id is not null and replaced and changed_at > ${claimedAt}`

// The run's row is locked before any id of a link is drawn: so the ids of one storage's links are in the order of commits.
const common = (overtaken: string) => `
with held as materialized (
  select id, first_link, failed, started_at from sync_run where id = $1 and attempt = $2 and status = 'IN_PROGRESS' for update),
mine as materialized (
  update sync_shard s set
    cursor = case when $6 then $7 else cursor end, last_key = coalesce($8, last_key), pages = pages + $9,
    done = done or ($6 and $7::text is null), heartbeat_at = clock_timestamp()
  from held
  where s.run_id = held.id and s.number = $3 and s.holder = $4 and s.attempt = $2 and s.until is not distinct from $5
    and not s.done
  returning held.id, held.first_link, held.failed, held.started_at),
given as materialized (
  select i.*, coalesce(a.id, b.id) as link_id, coalesce(a.task_id, b.task_id) as linked_task,
    coalesce(a.updated_at, b.updated_at) as changed_at,
    $14::bool and coalesce(a.updated_at, b.updated_at) >= mine.started_at as is_own,
    $14::bool and ((coalesce(a.etag, b.etag), coalesce(a.size, b.size)) is distinct from (i.etag, i.size)
      or ${timesDiffer('coalesce(a.last_modified, b.last_modified)', 'i.last_modified')} or not coalesce(a.row_exists, b.row_exists, true)) as replaced
  from mine cross join unnest(
      $11::text[], $12::int[], $13::int[], $15::bigint[], $16::text[], $17::timestamptz[], $28::text[], $29::text[], $30::bool[])
    with ordinality as i (key, row_group, row_index, size, etag, last_modified, data, meta, allow_skip, at)
  ${link('l.*', 'l.row_index = -1 and i.row_index = -1')} a on true
  ${link('l.*', 'l.row_group = i.row_group and l.row_index = i.row_index and l.row_index <> -1')} b on true),
amount as materialized (
  select count(*) filter (where link_id is null) as fresh,
    count(*) filter (where link_id is not null and replaced) as replaced, ${overtaken} as overtaken,
    -- A link that this run has made or renewed was counted then: the page is written again after a crash.
    count(*) filter (where not replaced and not is_own and link_id <= coalesce(first_link, link_id)) as existed
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
  -- A part of a page tells what existed, and its page counts that with its checkpoint: else a page that is read again after a
  -- crash would count it twice.
  existed = r.existed + $26 + case when $6 then amount.existed else 0 end, created = created + amount.fresh, updated = updated + amount.replaced,
  -- Issues that were there already are those of a page that is written again.
  failed = r.failed + cardinality($18::text[]) - (select count(*) from issue) + (select count(*) from stored),
  bytes_read = bytes_read + $27, heartbeat_at = clock_timestamp()
from mine, amount where r.id = mine.id
returning amount.fresh as created, case when $6 then 0 else amount.existed end as existed, amount.overtaken`

/** Counts what the same parameters would write, and stores only the counts, the issues and the cursor. */
export const countStatement = `${common('0')}${counters}`

/** Writes a part of a page. If it returns `overtaken` links, it must be rolled back. */
export const writeStatement = `${common(`count(*) filter (where ${isOvertaken('$53::timestamptz')})`)},
placed as materialized (
  select g.*, case when link_id is null then nextval('task_id_seq') else linked_task end as task_id from given g),
-- By their place in the page: a join would be a loop over all for each.
owner as materialized (
  select array_agg(case when link_id is null then task_id end order by at) as fresh,
    array_agg(case when link_id is null or replaced then task_id end order by at) as written
  from placed),
fresh as materialized (
  select *, row_number() over (order by at) as n from placed where link_id is null),
numbered as (
  update project set last_inner_id = last_inner_id + amount.fresh from amount
  where project.id = $32 and amount.fresh > 0
  returning last_inner_id - amount.fresh as base),
tasks as (
  insert into task (id, project_id, inner_id, data, meta, allow_skip, created_at, updated_at)
  select f.task_id, $32, numbered.base + f.n, f.data::json, f.meta::json, f.allow_skip,
    coalesce(($48::timestamptz[])[f.at], now()), coalesce(($49::timestamptz[])[f.at], ($48::timestamptz[])[f.at], now())
  from fresh f, numbered order by f.n),
links as (
  insert into import_link (storage_id, task_id, key, row_group, row_index, size, etag, last_modified)
  select $10, f.task_id, f.key, f.row_group, f.row_index, f.size, f.etag, f.last_modified from fresh f order by f.n),
renewed as (
  update task set data = g.data::json, meta = g.meta::json, allow_skip = g.allow_skip,
    updated_at = coalesce(($49::timestamptz[])[g.at], now())
  from given g where g.replaced and task.id = g.linked_task),
relinked as (
  update import_link l set size = g.size, etag = g.etag, last_modified = g.last_modified, object_exists = true,
    row_exists = true, updated_at = now()
  from given g where g.replaced and l.id = g.link_id),
outdated as (
  delete from prediction p using given g
  where g.replaced and p.task_id = g.linked_task and g.at = any($33::bigint[])),
predictions as (
  insert into prediction (task_id, result, score, model_version, created_at)
  select owner.written[p.at], p.result::json, p.score, p.model_version, coalesce(($50::timestamptz[])[p.n], now())
  from owner, unnest($33::bigint[], $34::text[], $35::float8[], $36::text[]) with ordinality
    as p (at, result, score, model_version, n)
  where owner.written[p.at] is not null order by p.n),
annotations as (
  insert into annotation (task_id, result, was_cancelled, lead_time_seconds, import_id, completed_by, created_at, updated_at)
  select owner.fresh[a.at], a.result::json, a.was_cancelled, a.lead_time, a.import_id, a.completed_by,
    coalesce(($51::timestamptz[])[a.n], now()), coalesce(($52::timestamptz[])[a.n], ($51::timestamptz[])[a.n], now())
  from owner, unnest($37::bigint[], $38::text[], $39::bool[], $40::float8[], $41::text[], $42::text[]) with ordinality
    as a (at, result, was_cancelled, lead_time, import_id, completed_by, n)
  where owner.fresh[a.at] is not null order by a.n),
objects as (
  insert into imported_object as o (storage_id, key, rows, finished_by, size, etag, last_modified)
  select $10, n.key, n.rows, case when n.rows is not null then mine.id end, n.size, n.etag, n.last_modified
  from mine, unnest($43::text[], $44::bigint[], $45::bigint[], $46::text[], $47::timestamptz[])
    as n (key, rows, size, etag, last_modified)
  on conflict (storage_id, key) do update set
    rows = excluded.rows, finished_by = excluded.finished_by, size = excluded.size, etag = excluded.etag, last_modified = excluded.last_modified,
    object_exists = true)
${counters}`
