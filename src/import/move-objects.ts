import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { recordEvent } from '../events/log.ts'
import { lockRun } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { deleteTwins, isInUse, lockTwins } from './twins.ts'

const pageSize = 500

/**
 * Gives the tasks of moved objects their new keys, one page of objects per transaction. The tasks that this run made for the new keys
 * are deleted, unless somebody has labeled one; then the object counts as not moved. @throws RunLost; the signal's reason
 */
export async function moveObjects(
  em: EntityManager,
  { run, storage, signal }: { run: SyncRun; storage: Storage; signal: AbortSignal },
): Promise<void> {
  for (let count = pageSize; count === pageSize; ) {
    signal.throwIfAborted()
    count = await em.fork().transactional((tx) => movePage(tx, run, storage))
  }
}

async function movePage(tx: EntityManager, run: SyncRun, storage: Storage): Promise<number> {
  await lockRun(tx, run)
  const moves = await execute<{ key: string; to_key: string }>(
    tx,
    sql`select key, to_key from sync_key where run_id = ${run.id} and kind = 'MOVED' order by key limit ${pageSize}`,
  )
  if (moves.length === 0) return 0
  const plan = sql`unnest(${moves.map(({ key }) => key)}::text[], ${moves.map(({ to_key }) => to_key)}::text[]) as m (key, to_key)`
  await execute(tx, sql`create temporary table move on commit drop as ${pairsOf(storage, plan)}`)
  const twins = sql`select new_task from move`
  await lockTwins(tx, twins)
  await execute(
    tx,
    sql`delete from move where to_key in (select m.to_key from move m where ${isInUse(sql`m.new_task`, sql`m.new_link`)})`,
  )
  await execute(
    tx,
    sql`update task t set data = n.data, updated_at = now() from move m join task n on n.id = m.new_task where t.id = m.old_task`,
  )
  const moved = await deleteTwins(tx, twins)
  await execute(
    tx,
    sql`update import_link l set key = m.to_key, last_modified = m.last_modified, object_exists = true, updated_at = now() from move m where l.id = m.old_link`,
  )
  await execute(tx, sql`delete from imported_object where storage_id = ${storage.id} and key in (select key from move)`)
  await execute(
    tx,
    sql`delete from sync_key where run_id = ${run.id} and (
       kind = 'MOVED' and key = any(${moves.map(({ key }) => key)})
       or kind = 'MISSING' and key in (select key from move))`,
  )
  await execute(
    tx,
    sql`update sync_run set created = greatest(created - ${moved}, 0), moved = moved + ${moved}, heartbeat_at = now()
     where id = ${run.id}`,
  )
  await recordEvent(tx, 'PROGRESS', { type: 'RUN', id: run.id })
  await execute(tx, sql`drop table move`)
  return moves.length
}

/** SQL: the links of moved objects with those of the new keys, row by row. */
const pairsOf = ({ id }: Storage, plan: ReturnType<typeof sql>) => {
  const pairs = (operator: ReturnType<typeof sql>) => sql`
    select m.key, m.to_key, old.id as old_link, old.task_id as old_task, new.id as new_link, new.task_id as new_task,
      new.last_modified
    from ${plan}
    join import_link old on old.storage_id = ${id} and old.key = m.key and old.row_index ${operator} -1
    join import_link new on new.storage_id = ${id} and new.key = m.to_key and new.row_index ${operator} -1
      and new.row_group = old.row_group and new.row_index = old.row_index
      -- Links of an object of which only a part could be read can have another version than the object.
      and old.row_exists and (old.etag, old.size) is not distinct from (new.etag, new.size)`
  return sql`${pairs(sql`=`)} union all ${pairs(sql`<>`)}`
}
