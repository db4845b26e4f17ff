import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresBackend } from '@agendajs/postgres-backend'
import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import type { Logger } from '../logger.ts'
import { type JobStore, JobsUnusable } from './store.ts'

/**
 * A pool for the queue. Its error listeners keep a restart of the database from ending the process. `pool.end` resolves before
 * the sockets are closed; errors after that are ignored.
 */
export function createPool(connection: pg.PoolConfig, logger: Logger): pg.Pool {
  const pool = new pg.Pool({ ...connection, max: 5 })
  const borrowed = new Set<pg.PoolClient>()
  borrowedOf.set(pool, borrowed)
  pool.on('acquire', (client) => {
    borrowed.add(client)
    // This connection was being opened when the pool ended.
    if (pool.ending) setTimeout(() => borrowed.has(client) && discard(client), graceMs)
  })
  pool.on('release', (_error, client) => borrowed.delete(client))
  pool.on('connect', (client) => client.on('error', () => {}))
  pool.on('error', (error) => pool.ending || logger.warn({ err: error }, 'the queue lost a connection'))
  return pool
}

/** Borrowed connections of each pool. */
const borrowedOf = new WeakMap<pg.Pool, Set<pg.PoolClient>>()

/** Time that running queries have to end before the connections of a pool that ends are closed. */
const graceMs = 1_000

/**
 * Ends a pool of `createPool`. Connections that are not released after a moment are closed: the queue's library loses its LISTEN
 * connection without releasing it if the database becomes unavailable while the connection is opened, and `pool.end` alone would
 * wait for it forever.
 */
export async function endPool(pool: pg.Pool): Promise<void> {
  const ended = pool.end()
  // Most queries end within this time. A query that was cut off would be logged as a failure of the queue.
  const timer = new AbortController()
  await Promise.race([ended, sleep(graceMs, undefined, { signal: timer.signal }).catch(() => {})])
  timer.abort()
  for (const client of borrowedOf.get(pool) ?? []) discard(client)
  await ended
}

/** Closes a borrowed connection. A running query fails. Its borrower may still release it, at which the pool would throw. */
function discard(client: pg.PoolClient): void {
  client.release(true)
  client.release = () => {}
}

/** Stores jobs in the app's own database. Our migrations create the tables. */
export function postgresStore(pool: pg.Pool, tableName = 'agenda_jobs'): JobStore {
  const db = new Kysely({ dialect: new PostgresDialect({ pool }) })
  return {
    backend: new PostgresBackend({ pool, tableName, ensureSchema: false, disableNotifications: true }),
    idFormat: /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i,
    ping: () => pool.query('select 1'),
    removeFailed: (before) => sql`delete from ${sql.id(tableName)} where failed_at < ${before}`.execute(db),
    close: async () => {},
  }
}

/** Stores jobs in another PostgreSQL, in a table that is created if it does not exist. @throws JobsUnusable */
export async function openPostgresStore(url: string, tableName: string, logger: Logger): Promise<JobStore> {
  const pool = createPool({ connectionString: url, connectionTimeoutMillis: 10_000 }, logger)
  const { host, port, database } = new pg.Client({ connectionString: url })
  try {
    // Two processes that create the tables at the same time would fail.
    await withDatabaseLock(pool, () => new PostgresBackend({ pool, tableName, disableNotifications: true }).connect())
  } catch (cause) {
    await endPool(pool)
    throw new JobsUnusable(`${host}:${port}/${database}`, cause)
  }
  return { ...postgresStore(pool, tableName), close: () => endPool(pool) }
}

/** Runs `work` under a database-wide lock. */
async function withDatabaseLock(pool: pg.Pool, work: () => Promise<unknown>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(hashtext('sluice job queue'))`)
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}
