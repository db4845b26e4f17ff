import type pg from 'pg'

/** What the statements of one kind took, all of their calls together (pg_stat_statements). */
export interface StatementCost {
  calls: number
  /** Blocks of 8 KiB that were looked at, in memory or not; those that were changed count as often as they were looked at. */
  blocks: number
  walBytes: number
  ms: number
}

/** Reads what PostgreSQL counts for each statement, those that foreign keys run included. */
export interface Statements {
  /** Forgets what was counted. */
  reset(): Promise<void>
  /** What was counted since, of statements that look like `pattern` (SQL `like`), or of all but those that go on in the background. */
  cost(pattern?: string): Promise<StatementCost>
  /** All of them, the most blocks first. */
  list(): Promise<(StatementCost & { text: string })[]>
}

/** The rounds of the fleet, the polling of the queue, heartbeats, and this benchmark itself. */
const background = `(agenda_jobs|\\mround\\M|pg_stat|pg_class|webhook w|sync_schedule|update storage s set drain_at|heartbeat_at)`

/** Needs `shared_preload_libraries = 'pg_stat_statements'`. */
export async function readStatements(client: pg.Client): Promise<Statements> {
  await client.query('create extension if not exists pg_stat_statements')
  const figures = `calls::float8 as calls, (shared_blks_hit + shared_blks_read)::float8 as blocks,
    wal_bytes::float8 as "walBytes", total_exec_time as ms`
  const from = `from pg_stat_statements where query !~ '${background}'`
  return {
    async reset() {
      await client.query('select pg_stat_statements_reset()')
    },
    async cost(pattern = '%') {
      const { rows } = await client.query(
        `select coalesce(sum(calls), 0) as calls, coalesce(sum(blocks), 0) as blocks,
           coalesce(sum("walBytes"), 0) as "walBytes", coalesce(sum(ms), 0) as ms
         from (select query, ${figures} from pg_stat_statements
           where query ilike $1 and ($1 <> '%' or toplevel and query !~ '${background}')) s`,
        [pattern],
      )
      return rows[0]
    },
    async list() {
      const { rows } = await client.query(`select query as text, ${figures} ${from} order by blocks desc`)
      return rows
    },
  }
}
