import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from '../sql.ts'

/** How long the log of deliveries reaches back. */
export const keptDays = 30
/** Most deliveries of a webhook that are kept, besides those that are still to be sent. */
export const maxKept = 2_000

/** Shortens the log of deliveries to what is kept. What is so old and still to be sent belongs to a webhook that is not active. */
export async function pruneDeliveries(em: EntityManager): Promise<void> {
  await sql(em, 'delete from webhook_delivery where created_at < now() - make_interval(days => $1)', [keptDays])
  await sql(
    em,
    `delete from webhook_delivery d using webhook w
     cross join lateral (
       select id from webhook_delivery where webhook_id = w.id order by id desc offset $1 limit 1) oldest
     where d.webhook_id = w.id and d.id <= oldest.id and d.status <> 'PENDING'`,
    [maxKept],
  )
}
