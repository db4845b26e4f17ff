import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'
import { labelKinds } from './compare-labels.ts'
import { objectTable, type ReadObject } from './match-rows.ts'
import { numbered } from './number-tasks.ts'
import type { PageTarget } from './page-write.ts'

/** Gives the tasks of changed rows the data of these. */
export async function updateTasks(em: EntityManager): Promise<void> {
  const changed = sql`from fresh f join import_row i using (read_id, row_group, row_index) where f.is_changed`
  await execute(
    em,
    sql`update task t set data = c.data, meta = c.meta, allow_skip = c.allow_skip, updated_at = coalesce(c.updated_at, now())
     from (select f.task_id, i.* ${changed}) c where t.id = c.task_id`,
  )
  await execute(em, sql`delete from task_extra where task_id in (select f.task_id ${changed} and i.extra is null)`)
  await execute(
    em,
    sql`insert into task_extra (task_id, extra) select distinct on (f.task_id) f.task_id, i.extra ${changed} and i.extra is not null
     on conflict (task_id) do update set extra = excluded.extra`,
  )
}

/**
 * Moves links to the positions of their rows. A link whose row is no longer in the object, or in its place, gets a position below
 * -1, which is unique and stands for none.
 */
export async function moveLinks(em: EntityManager, { storage }: PageTarget, objects: ReadObject[]): Promise<void> {
  // First, because the unique index is checked row by row.
  await execute(
    em,
    sql`update import_link l set row_group = -2 - (l.id >> 30)::int, row_index = -2 - (l.id & 1073741823)::int,
       row_exists = l.row_exists and (k.is_matched or not o.is_complete),
       updated_at = case when o.is_complete and not k.is_matched and l.row_exists then now() else l.updated_at end
     from known k join ${objectTable(objects)} using (read_id) left join fresh f on f.link_id = k.id
     where l.id = k.id and case
       when k.is_matched then l.row_index >= -1 and (f.row_group, f.row_index) <> (k.row_group, k.row_index)
       when l.row_index < -1 then o.is_complete and l.row_exists
       else o.is_complete or exists (
         select 1 from fresh n where n.read_id = k.read_id and n.row_group = k.row_group and n.row_index = k.row_index) end`,
  )
  await execute(
    em,
    sql`update import_link l set row_group = f.row_group, row_index = f.row_index, etag = o.etag, size = o.size,
       last_modified = o.last_modified, object_exists = true, row_exists = true, updated_at = now()
     from fresh f join ${objectTable(objects)} using (read_id)
     where l.id = f.link_id and l.storage_id = ${storage}`,
  )
  await execute(
    em,
    sql`insert into link_envelope (link_id, envelope_id)
     select f.link_id, f.envelope_id from fresh f where f.link_id is not null and f.envelope_id is not null
     on conflict (link_id) do update set envelope_id = excluded.envelope_id
       where link_envelope.envelope_id <> excluded.envelope_id`,
  )
}

/** Creates tasks for the rows without a link, in the order of objects and rows. Returns their number. */
export async function createRows(
  em: EntityManager,
  { storage, project }: PageTarget,
  objects: ReadObject[],
): Promise<number> {
  const [created] = await execute<{ count: string }>(
    em,
    sql`with ordered as materialized (
       select o.key, o.etag, o.size, o.last_modified, i.*, row_number() over (order by o.at, i.row_group, i.row_index) as n
       from fresh f join ${objectTable(objects)} using (read_id) join import_row i using (read_id, row_group, row_index)
       where f.link_id is null order by n),
     given as materialized (select *, nextval('task_id_seq') as task_id from ordered),
     amount as (select count(*) as fresh from given),
     ${numbered(project)},
     tasks as (
       insert into task (id, project_id, inner_id, data, meta, allow_skip, created_at, updated_at)
       select task_id, ${project}::bigint, numbered.base + n, data, meta, allow_skip, coalesce(created_at, now()),
         coalesce(updated_at, created_at, now())
       from given, numbered order by n),
     links as (
       insert into import_link (storage_id, task_id, key, row_group, row_index, size, etag, last_modified)
       select ${storage}::bigint, task_id, key, row_group, row_index, size, etag, last_modified
       from given, numbered order by n
       returning id, task_id),
     envelopes as (
       insert into link_envelope (link_id, envelope_id)
       select links.id, given.envelope_id from links join given using (task_id) where given.envelope_id is not null),
     extras as (
       insert into task_extra (task_id, extra) select task_id, extra from given where extra is not null),
     predictions as (
       insert into prediction (task_id, result, score, model_version, extra, source_link, file_hash, created_at)
       select given.task_id, (l.label->>'result')::json, (l.label->>'score')::float8, l.label->>'modelVersion',
         (l.label->>'extra')::json, links.id, ${labelKinds.PREDICTION.hashOfFile},
         coalesce((l.label->>'createdAt')::timestamptz, now())
       from given join links using (task_id)
       cross join lateral json_array_elements(labels->'predictions') with ordinality as l (label, at)
       order by n, l.at),
     annotations as (
       insert into annotation (task_id, result, was_cancelled, lead_time_seconds, import_id, completed_by, extra, source_link,
         file_hash, created_at, updated_at)
       select given.task_id, (l.label->>'result')::json, (l.label->>'wasCancelled')::bool, (l.label->>'leadTimeSeconds')::float8,
         l.label->>'importId', l.label->>'completedBy', (l.label->>'extra')::json, links.id,
         ${labelKinds.ANNOTATION.hashOfFile}, coalesce((l.label->>'createdAt')::timestamptz, now()),
         coalesce((l.label->>'updatedAt')::timestamptz, (l.label->>'createdAt')::timestamptz, now())
       from given join links using (task_id)
       cross join lateral json_array_elements(labels->'annotations') with ordinality as l (label, at)
       order by n, l.at)
     select count(*) from given`,
  )
  return Number(created!.count)
}

/** Records the present version of the objects. */
export async function saveObjects(
  em: EntityManager,
  { storage, run }: PageTarget,
  objects: ReadObject[],
): Promise<void> {
  // An object that is one task has a link and no row here.
  await execute(
    em,
    sql`delete from imported_object where storage_id = ${storage}
       and key = any(${objects.flatMap(({ object, rows, isComplete }) => (rows === -1 && isComplete ? [object.key] : []))})`,
  )
  await execute(
    em,
    sql`insert into imported_object (storage_id, key, rows, finished_by, size, etag, last_modified)
     select ${storage}::bigint, o.key, case when o.is_complete then o.rows end, case when o.is_complete then ${run}::bigint end,
       o.size, o.etag, o.last_modified
     from ${objectTable(objects)} where o.rows >= 0
     on conflict (storage_id, key) do update set rows = excluded.rows, finished_by = excluded.finished_by,
       size = excluded.size, etag = excluded.etag, last_modified = excluded.last_modified, object_exists = true`,
  )
}
