import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** Maximum number of task ids in one message. */
const batchSize = 5_000

/** Saves the webhook's position in the event log. */
export async function setLastEvent(tx: EntityManager, webhookId: number, lastEvent: number): Promise<void> {
  await execute(tx, sql`update webhook set last_event = ${lastEvent} where id = ${webhookId}`)
}

/** Moves the webhook to the end of the event log, so that it receives only later events. */
export async function skipEvents(tx: EntityManager, webhookId: number): Promise<void> {
  await execute(
    tx,
    sql`update webhook set last_event = coalesce((select max(id) from event), 0) where id = ${webhookId}`,
  )
}

/** Moves the webhook past all tasks of its project, so that only later ones are announced. */
export async function skipTasks(tx: EntityManager, webhookId: number): Promise<void> {
  await execute(
    tx,
    sql`insert into webhook_cursor (webhook_id, storage_id, last_link)
     select w.id, s.id, link.last from webhook w join storage s on s.project_id = w.project_id
     cross join lateral (select max(l.id) as last from import_link l where l.storage_id = s.id) link
     where w.id = ${webhookId} and link.last is not null
     on conflict (webhook_id, storage_id) do update set last_link = excluded.last_link`,
  )
}

/**
 * The next `batchSize` tasks of a storage for a webhook, and the position after them; with `rest` also fewer. Empty if there are none.
 *
 * A position in the order of link ids is enough, because links of one project become visible in the order of their ids: a page
 * allocates them under the lock of the project's row, which it releases at its commit.
 */
export async function takeTasks(
  tx: EntityManager,
  { webhookId, storage, rest }: { webhookId: number; storage: number; rest: boolean },
): Promise<number[]> {
  const [batch] = await execute<{ tasks: string }>(
    tx,
    sql`with place as (select max(last_link) as last from webhook_cursor where webhook_id = ${webhookId} and storage_id = ${storage}),
     next as materialized (
       select id, task_id from import_link
       where storage_id = ${storage} and id > coalesce((select last from place), 0) order by id limit ${batchSize}),
     batch as (
       select max(id) as last, string_agg(task_id::text, ',' order by id) as tasks from next
       having count(*) = ${batchSize} or (${rest} and count(*) > 0)),
     moved as (
       insert into webhook_cursor (webhook_id, storage_id, last_link) select ${webhookId}, ${storage}, last from batch
       on conflict (webhook_id, storage_id) do update set last_link = excluded.last_link)
     select tasks from batch`,
  )
  return batch?.tasks.split(',').map(Number) ?? []
}
