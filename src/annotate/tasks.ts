import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from '../sql.ts'

/** Deletes tasks and, with them, their annotations, predictions and links. Number of tasks that existed. */
export async function deleteTasks(em: EntityManager, ids: number[]): Promise<number> {
  const gone = await sql(em.fork(), 'delete from task where id = any($1::bigint[]) returning id', [ids])
  return gone.length
}
