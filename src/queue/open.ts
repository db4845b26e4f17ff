import { PostgresNotificationChannel } from '@agendajs/postgres-backend'
import type pg from 'pg'
import type { Logger } from '../logger.ts'
import { createQueue, type Queue } from './agenda.ts'
import { openMongoStore } from './mongodb.ts'
import { createPool, endPool, openPostgresStore, postgresStore } from './postgres.ts'
import type { JobStore } from './store.ts'

/** Settings of the queue. */
export interface QueueSettings {
  /** The app's own database. Its NOTIFY announces new jobs, wherever they are stored. */
  connection: pg.ClientConfig
  /** A `postgres://` or `mongodb://` URL of the database that stores the jobs. Default: the app's own database. */
  jobsUrl?: string | undefined
  /** Seconds between polls for jobs whose notification was lost. Default 1. */
  pollSeconds?: number
}

/**
 * Opens the store of the jobs. `pool` belongs to the app's own database. In another database, the name of the table contains an
 * id of the app's database, so that installations with the same JOBS_URL do not share jobs. @throws JobsUnusable
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
 * Opens the queue; the caller stops it. LISTEN/NOTIFY of the app's own PostgreSQL announces new jobs within milliseconds, also
 * for jobs in MongoDB: its change streams need a replica set, and compatible servers have none. Polling finds a job whose
 * notification was lost.
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
