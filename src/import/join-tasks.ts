import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'
import type { NewTask } from './new-task.ts'

/**
 * Makes one task of those that were just written and have an `origin` in common, or share it with one of an earlier page: the
 * first keeps its number, and gets the annotations and links of the others. Runs in the transaction of `em`, after the page was
 * written. Number of tasks that are gone by it; they are taken off the run's `created` and added to its `updated`.
 */
export async function joinTasks(
  em: EntityManager,
  { run, storage }: { run: number; storage: number },
  tasks: NewTask[],
): Promise<number> {
  const parts = tasks.filter(({ origin }) => origin !== undefined)
  if (parts.length === 0) return 0
  await execute(em, claimOrigins(storage, parts))
  const spare = await execute(em, moveParts(storage, parts))
  if (spare.length === 0) return 0
  await execute(em, sql`delete from task where id = any(${spare.map(({ task }) => task)}::bigint[])`)
  await execute(
    em,
    sql`update sync_run set created = created - ${spare.length}, updated = updated + ${spare.length} where id = ${run}`,
  )
  return spare.length
}

const came = (storage: number, parts: NewTask[]) => sql`
with came as materialized (
  select l.id as link, l.task_id as task, o.origin
  from unnest(
      ${parts.map(({ object }) => object.key)}::text[],
      ${parts.map(({ rowGroup }) => rowGroup)}::int[],
      ${parts.map(({ row }) => row)}::int[],
      ${parts.map(({ origin }) => origin)}::text[])
    as o (key, row_group, row_index, origin)
  cross join lateral (
    select id, task_id from import_link
    where storage_id = ${storage} and key = o.key and row_index = -1 and o.row_index = -1
    union all
    select id, task_id from import_link
    where storage_id = ${storage} and key = o.key and row_group = o.row_group and row_index = o.row_index
      and row_index <> -1) l)`

const claimOrigins = (storage: number, parts: NewTask[]) => sql`${came(storage, parts)}
insert into task_origin (storage_id, origin, task_id)
select distinct on (origin) ${storage}::bigint, origin, task from came order by origin, link
on conflict (storage_id, origin) do nothing`

const moveParts = (storage: number, parts: NewTask[]) => sql<{ task: string }>`${came(storage, parts)},
spare as materialized (
  select c.task, o.task_id as kept from came c
  join task_origin o on o.storage_id = ${storage} and o.origin = c.origin and o.task_id <> c.task),
moved as (update annotation a set task_id = s.kept from spare s where a.task_id = s.task),
linked as (update import_link l set task_id = s.kept from spare s where l.task_id = s.task)
select task from spare`
