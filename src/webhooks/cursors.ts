import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from '../sql.ts'

/** Most task ids in one message. */
export const batchSize = 5_000

/** Notes the last event that a webhook was told of, or was not to be. */
export async function setLastEvent(tx: EntityManager, webhookId: number, lastEvent: number): Promise<void> {
  await sql(tx, 'update webhook set last_event = $2 where id = $1', [webhookId, lastEvent])
}

/** Puts a webhook behind all events: it is told of later ones only. */
export async function skipEvents(tx: EntityManager, webhookId: number): Promise<void> {
  await sql(tx, 'update webhook set last_event = coalesce((select max(id) from event), 0) where id = $1', [webhookId])
}

/** Puts a webhook behind all tasks of its project: only later ones are announced to it. */
export async function skipTasks(tx: EntityManager, webhookId: number): Promise<void> {
  await sql(
    tx,
    `insert into webhook_cursor (webhook_id, storage_id, last_link)
     select w.id, s.id, link.last from webhook w join storage s on s.project_id = w.project_id
     cross join lateral (select max(l.id) as last from import_link l where l.storage_id = s.id) link
     where w.id = $1 and link.last is not null
     on conflict (webhook_id, storage_id) do update set last_link = excluded.last_link`,
    [webhookId],
  )
}

/**
 * The tasks of a storage that a webhook is told of next, `batchSize` of them, and its place behind them; of the `rest` also
 * fewer. Empty when there are none.
 *
 * That a place in the order of link ids is enough rests on this: links of one storage become visible in the order of their
 * ids. A page is written under the lock of its run's row, which the statement takes before it draws ids and which is free
 * again after its commit, and of the runs that write links a storage has one at a time. So no smaller id ever appears behind the place.
 */
export async function takeTasks(
  tx: EntityManager,
  { webhookId, storage, rest }: { webhookId: number; storage: number; rest: boolean },
): Promise<number[]> {
  const [batch] = await sql<{ tasks: string }>(
    tx,
    `with place as (select max(last_link) as last from webhook_cursor where webhook_id = $1 and storage_id = $2),
     next as materialized (
       select id, task_id from import_link
       where storage_id = $2 and id > coalesce((select last from place), 0) order by id limit $3),
     batch as (
       select max(id) as last, string_agg(task_id::text, ',' order by id) as tasks from next
       having count(*) = $3 or ($4 and count(*) > 0)),
     moved as (
       insert into webhook_cursor (webhook_id, storage_id, last_link) select $1, $2, last from batch
       on conflict (webhook_id, storage_id) do update set last_link = excluded.last_link)
     select tasks from batch`,
    [webhookId, storage, batchSize, rest],
  )
  return batch?.tasks.split(',').map(Number) ?? []
}
