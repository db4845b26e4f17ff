import { PostgresNotificationChannel } from '@agendajs/postgres-backend'
import type pg from 'pg'
import type { Logger } from '../logger.ts'
import { createQueue, type Queue } from './agenda.ts'
import { openMongoStore } from './mongodb.ts'
import { createPool, endPool, openPostgresStore, postgresStore } from './postgres.ts'
import type { JobStore } from './store.ts'

/** What a queue is opened with. */
export interface QueueSettings {
  /** The app's own database; processes tell one another of new jobs over it, wherever those are kept. */
  connection: pg.ClientConfig
  /** Where the jobs are kept, a `postgres://` or `mongodb://` URL; in the app's own database unless given. */
  jobsUrl?: string | undefined
  /** How often it looks for jobs that it was not told of, and for those that repeat. Default 1. */
  pollSeconds?: number
}

/**
 * Opens where the jobs are kept. `pool` is of the app's own database. Elsewhere the jobs are named after that one, so that
 * installations with the same JOBS_URL never take each other's. @throws JobsUnusable
 */
export async function openStore(pool: pg.Pool, jobsUrl: string | undefined, logger: Logger): Promise<JobStore> {
  if (!jobsUrl) return postgresStore(pool)
  const { rows } = await pool.query(
    `select left(md5(system_identifier || '/' || oid), 12) as installation
     from pg_control_system(), pg_database where datname = current_database()`,
  )
  const { installation } = rows[0]
  return jobsUrl.startsWith('mongodb')
    ? openMongoStore(jobsUrl, `agendaJobs_${installation}`)
    : openPostgresStore(jobsUrl, `agenda_jobs_${installation}`, logger)
}

/**
 * Opens the queue; the caller stops it. A job starts within milliseconds wherever it is kept: LISTEN/NOTIFY of the app's own
 * PostgreSQL tells the workers, for MongoDB has such a thing (change streams) only as a replica set, and the servers that
 * speak its protocol have none. What is not heard is found a second later.
 * @throws JobsUnusable
 */
export async function openQueue(settings: QueueSettings, logger: Logger): Promise<Queue> {
  const pool = createPool(settings.connection, logger)
  try {
    const store = await openStore(pool, settings.jobsUrl, logger)
    const channel = new PostgresNotificationChannel({ pool })
    channel.on('error', (error) => pool.ending || logger.warn({ err: error }, 'the queue lost its notifications'))
    return createQueue({ store, channel, pool, pollSeconds: settings.pollSeconds ?? 1 }, logger)
  } catch (error) {
    await endPool(pool)
    throw error
  }
}
