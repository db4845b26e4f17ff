import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type Task, TaskEntity } from '../entities/task.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { isJsonObject, type Json } from '../json.ts'
import { execute } from '../sql.ts'
import { assertMaxItems, jsonFaults } from './bounds.ts'
import { queueRemovals } from './outbox.ts'

/** One item to label. */
interface NewTask {
  data: Json
  meta?: Json | undefined
  allowSkip?: boolean | null | undefined
}

/** Creates tasks, all or none, numbered in the order of the list. At most 1,000. @throws ValidationError, NotFoundError */
export async function createTasks(em: EntityManager, project: number, tasks: NewTask[]): Promise<Task[]> {
  assertMaxItems(tasks)
  const faults = tasks.flatMap(({ data, meta }, at) => [
    ...(isJsonObject(data) ? [] : [{ path: `input.tasks.${at}.data`, message: 'must be a JSON object' }]),
    ...(meta === undefined || meta === null || isJsonObject(meta)
      ? []
      : [{ path: `input.tasks.${at}.meta`, message: 'must be a JSON object' }]),
    ...jsonFaults(data, `input.tasks.${at}.data`),
    ...jsonFaults(meta, `input.tasks.${at}.meta`),
  ])
  if (faults.length > 0) throw new ValidationError(faults)
  return em.fork().transactional(async (tx) => {
    const made = await execute<{ id: string }>(
      tx,
      sql`with numbered as (
         update project set last_inner_id = last_inner_id + ${tasks.length}::int where id = ${project}
         returning last_inner_id - ${tasks.length}::int as base)
       insert into task (project_id, inner_id, data, meta, allow_skip)
       select ${project}, numbered.base + n.at, n.data::json, n.meta::json, n.allow_skip
       from numbered, unnest(
           ${tasks.map(({ data }) => JSON.stringify(data))}::text[],
           ${tasks.map(({ meta }) => (meta ? JSON.stringify(meta) : null))}::text[],
           ${tasks.map(({ allowSkip }) => allowSkip ?? true)}::bool[]) with ordinality as n (data, meta, allow_skip, at)
       order by n.at returning id`,
    )
    if (made.length < tasks.length) throw new NotFoundError('There is no such project.')
    return tx.find(TaskEntity, { id: made.map(({ id }) => Number(id)) }, { orderBy: { innerId: 'asc' } })
  })
}

/**
 * Deletes tasks with their annotations, predictions and links. The same commit queues the removal of their exported objects, and marks
 * multi-row objects as partly imported. Returns the number of tasks that existed.
 */
export async function deleteTasks(em: EntityManager, ids: number[]): Promise<number> {
  return em.fork().transactional(async (tx) => {
    const annotations = await execute<{ id: string }>(
      tx,
      sql`select id from annotation where task_id = any(${ids}::bigint[]) order by id for update`,
    )
    if (annotations.length > 0) {
      await queueRemovals(
        tx,
        annotations.map(({ id }) => Number(id)),
      )
    }
    await execute(
      tx,
      sql`update imported_object o set rows = null from import_link l
       where l.task_id = any(${ids}::bigint[]) and l.row_index <> -1 and l.row_exists and o.storage_id = l.storage_id and o.key = l.key`,
    )
    return (await execute(tx, sql`delete from task where id = any(${ids}::bigint[]) returning id`)).length
  })
}
