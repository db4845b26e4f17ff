import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** Retention of deliveries, in days. */
const retentionDays = 30
/** Maximum number of stored deliveries of a webhook, besides pending ones. */
const maxDeliveries = 2_000

/** Deletes deliveries above the retention. Pending ones of that age belong to an inactive webhook. */
export async function pruneDeliveries(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`delete from webhook_delivery where created_at < now() - make_interval(days => ${retentionDays})`,
  )
  await execute(
    em,
    sql`delete from webhook_delivery d using webhook w
     cross join lateral (
       select id from webhook_delivery where webhook_id = w.id order by id desc offset ${maxDeliveries} limit 1) oldest
     where d.webhook_id = w.id and d.id <= oldest.id and d.status <> 'PENDING'`,
  )
}
