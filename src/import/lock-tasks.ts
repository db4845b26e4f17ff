import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { execute } from '../sql.ts'

/**
 * Locks tasks until the end of the transaction of `tx`, in the order of their ids, which prevents deadlocks. `ids` is an SQL query or
 * list. A statement that waits for the save of an annotation does not see the annotation, so read annotations in a later statement.
 */
export async function lockTasks(tx: EntityManager, ids: RawBuilder<unknown>): Promise<void> {
  await execute(tx, sql`select id from task where id in (${ids}) order by id for update`)
}
