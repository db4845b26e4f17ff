import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import { execute } from '../sql.ts'

/**
 * Locks tasks until the end of the transaction of `tx`, in the order of their ids, which prevents deadlocks. `ids` is SQL for a list or
 * a query. Only a later statement sees the annotations that were saved until then, because a statement that waits does not.
 */
export async function lockTasks(tx: EntityManager, ids: RawBuilder<unknown>): Promise<void> {
  await execute(tx, sql`select id from task where id in (${ids}) order by id for update`)
}
