import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** How many runs wait or are under way, by status, in all processes. Reads an index of these alone. */
export async function countActiveRuns(em: EntityManager): Promise<Map<string, number>> {
  const rows = await execute<{ status: string; count: string }>(
    em,
    sql`select status, count(*) as count from sync_run where status in ('QUEUED', 'IN_PROGRESS') group by status`,
  )
  return new Map(rows.map(({ status, count }) => [status, Number(count)]))
}
