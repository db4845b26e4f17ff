import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** The part of a new task that decides whether it joins another one. */
export interface JoinableTask {
  object: { key: string }
  rowGroup: number
  row: number
  origin?: string
}

/**
 * Merges tasks of a page that have the same `origin` as each other or as a task of an earlier page. The first task remains and
 * receives the annotations and links of the others, which are deleted. Runs in the transaction of `em`, after the page was written.
 * Subtracts the number of deleted tasks from the run's `created`, adds it to `updated`, and returns it.
 */
export async function joinTasks(
  em: EntityManager,
  { run, storage }: { run: number; storage: number },
  tasks: JoinableTask[],
): Promise<number> {
  const joinable = tasks.filter(({ origin }) => origin !== undefined)
  if (joinable.length === 0) return 0
  await execute(em, claimOrigins(storage, joinable))
  const duplicates = await execute(em, moveParts(storage, joinable))
  if (duplicates.length === 0) return 0
  await execute(em, sql`delete from task where id = any(${duplicates.map(({ task }) => task)}::bigint[])`)
  await execute(
    em,
    sql`update sync_run set created = created - ${duplicates.length}, updated = updated + ${duplicates.length} where id = ${run}`,
  )
  return duplicates.length
}

const writtenLinks = (storage: number, joinable: JoinableTask[]) => sql`
with came as materialized (
  select l.id as link, l.task_id as task, o.origin
  from unnest(
      ${joinable.map(({ object }) => object.key)}::text[],
      ${joinable.map(({ rowGroup }) => rowGroup)}::int[],
      ${joinable.map(({ row }) => row)}::int[],
      ${joinable.map(({ origin }) => origin)}::text[])
    as o (key, row_group, row_index, origin)
  cross join lateral (
    select id, task_id from import_link
    where storage_id = ${storage} and key = o.key and row_index = -1 and o.row_index = -1
    union all
    select id, task_id from import_link
    where storage_id = ${storage} and key = o.key and row_group = o.row_group and row_index = o.row_index
      and row_index <> -1) l)`

const claimOrigins = (storage: number, joinable: JoinableTask[]) => sql`${writtenLinks(storage, joinable)}
insert into task_origin (storage_id, origin, task_id)
select distinct on (origin) ${storage}::bigint, origin, task from came order by origin, link
on conflict (storage_id, origin) do nothing`

const moveParts = (storage: number, joinable: JoinableTask[]) => sql<{
  task: string
}>`${writtenLinks(storage, joinable)},
spare as materialized (
  select c.task, o.task_id as kept from came c
  join task_origin o on o.storage_id = ${storage} and o.origin = c.origin and o.task_id <> c.task),
moved as (update annotation a set task_id = s.kept from spare s where a.task_id = s.task),
linked as (update import_link l set task_id = s.kept from spare s where l.task_id = s.task)
select task from spare`
