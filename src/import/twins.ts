import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { queueRemovals } from '../labeling/outbox.ts'
import { execute } from '../sql.ts'
import { labelKinds } from './compare-labels.ts'
import { lockTasks } from './lock-tasks.ts'

// A twin is the task that was imported from the new key of an object, whose own task is to have that key.

/**
 * SQL condition: the task must not be deleted as a twin. It has an annotation that did not come unchanged from this link, or another
 * link.
 */
export const isInUse = (task: RawBuilder<unknown>, link: RawBuilder<unknown>): RawBuilder<SqlBool> => sql`(
  exists (
    select 1 from annotation a where a.task_id = ${task}
      and (a.source_link is distinct from ${link} or a.file_hash is distinct from ${labelKinds.ANNOTATION.hashOfOwn}))
  or exists (select 1 from import_link o where o.task_id = ${task} and o.id <> ${link}))`

/** Locks the tasks and their annotations until the end of the transaction of `tx`. */
export async function lockTwins(tx: EntityManager, tasks: RawBuilder<unknown>): Promise<void> {
  await lockTasks(tx, tasks)
  await execute(tx, sql`select id from annotation where task_id in (${tasks}) order by id for update`)
}

/** Deletes the tasks with their links and annotations, also from export storages. Returns the number of tasks. */
export async function deleteTwins(tx: EntityManager, tasks: RawBuilder<unknown>): Promise<number> {
  const labels = await execute<{ id: string }>(tx, sql`select id from annotation where task_id in (${tasks})`)
  if (labels.length > 0) {
    await queueRemovals(
      tx,
      labels.map(({ id }) => Number(id)),
    )
  }
  const deleted = await execute(tx, sql`delete from task where id in (${tasks}) returning 1`)
  return deleted.length
}
