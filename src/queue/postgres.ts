import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresBackend } from '@agendajs/postgres-backend'
import pg from 'pg'
import type { Logger } from '../logger.ts'
import { type JobStore, JobsUnusable } from './store.ts'

/**
 * A pool for the queue. Without its listeners, a restart of the database would end the process. Its end resolves before its
 * sockets are closed: what a database that stops then says of them is no loss.
 */
export function createPool(connection: pg.PoolConfig, logger: Logger): pg.Pool {
  const pool = new pg.Pool({ ...connection, max: 5 })
  const held = new Set<pg.PoolClient>()
  heldOf.set(pool, held)
  pool.on('acquire', (client) => {
    held.add(client)
    // One that was being opened when the pool ended. Its release function is set after this event.
    if (pool.ending) setImmediate(() => held.has(client) && destroy(client))
  })
  pool.on('release', (_error, client) => held.delete(client))
  pool.on('connect', (client) => client.on('error', () => {}))
  pool.on('error', (error) => pool.ending || logger.warn({ err: error }, 'the queue lost a connection'))
  return pool
}

/** The connections of each pool that somebody holds. */
const heldOf = new WeakMap<pg.Pool, Set<pg.PoolClient>>()

/** Time that running queries have to end before `endPool` closes their connections. */
const queryGraceMs = 1_000

/**
 * Ends a pool of `createPool`, and the connections that nobody gives back. The library of the queue forgets its LISTEN connection
 * if the database goes away while it is opened, and `pool.end` would wait for it forever.
 */
export async function endPool(pool: pg.Pool): Promise<void> {
  const ended = pool.end()
  // Most queries end within this time. A query that was cut off would be logged as a failure of the queue.
  const timer = new AbortController()
  await Promise.race([ended, sleep(queryGraceMs, undefined, { signal: timer.signal }).catch(() => {})])
  timer.abort()
  for (const client of heldOf.get(pool) ?? []) destroy(client)
  await ended
}

/** Closes a connection, whoever holds it. A running query fails, and releases the connection again, at which the pool would throw. */
function destroy(client: pg.PoolClient): void {
  client.release(true)
  client.release = () => {}
}

/** Jobs in the app's own database, whose tables our migrations make. */
export function postgresStore(pool: pg.Pool, tableName = 'agenda_jobs'): JobStore {
  return {
    backend: new PostgresBackend({ pool, tableName, ensureSchema: false, disableNotifications: true }),
    idForm: /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i,
    ping: () => pool.query('select 1'),
    removeFailed: (before) => pool.query(`delete from "${tableName}" where failed_at < $1`, [before]),
    close: async () => {},
  }
}

/** Jobs in another PostgreSQL, in a table that is made when there is none. @throws JobsUnusable */
export async function openPostgresStore(url: string, tableName: string, logger: Logger): Promise<JobStore> {
  const pool = createPool({ connectionString: url, connectionTimeoutMillis: 10_000 }, logger)
  const { host, port, database } = new pg.Client({ connectionString: url })
  try {
    // Two processes that make the tables at once crash.
    await alone(pool, () => new PostgresBackend({ pool, tableName, disableNotifications: true }).connect())
  } catch (cause) {
    await endPool(pool)
    throw new JobsUnusable(`${host}:${port}/${database}`, cause)
  }
  return { ...postgresStore(pool, tableName), close: () => endPool(pool) }
}

/** Does `work` in one process at a time, of all that have the same database. */
export async function alone(pool: pg.Pool, work: () => Promise<unknown>): Promise<void> {
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
