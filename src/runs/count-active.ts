import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** Number of queued runs and of runs in progress, by status, in all processes. Reads only the partial index of active runs. */
export async function countActiveRuns(em: EntityManager): Promise<Map<string, number>> {
  const rows = await execute<{ status: string; count: string }>(
    em,
    sql`select status, count(*) as count from sync_run where status in ('QUEUED', 'IN_PROGRESS') group by status`,
  )
  return new Map(rows.map(({ status, count }) => [status, Number(count)]))
}
