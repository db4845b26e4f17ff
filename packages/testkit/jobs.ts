import type { JobParameters, JobRepository } from 'agenda'
import { connectionOf } from '../../src/database/open.ts'
import { createLogger } from '../../src/logger.ts'
import type { Queue } from '../../src/queue/agenda.ts'
import { openQueue, openStore, type QueueSettings } from '../../src/queue/open.ts'
import { createPool } from '../../src/queue/postgres.ts'

const logger = createLogger('silent')

/**
 * Where the jobs of a test's database are kept: with SLUICE_TEST_MONGODB, the URL of a server that speaks MongoDB's protocol,
 * in a database of the same name there; else in the database itself.
 */
export function jobsSetting(databaseUrl: string): { JOBS_URL?: string } {
  const server = process.env.SLUICE_TEST_MONGODB
  return server ? { JOBS_URL: server.replace(/\/?$/, new URL(databaseUrl).pathname) } : {}
}

/** The queue of a process on a test's database. */
export function openTestQueue(databaseUrl: string, more: Partial<QueueSettings> = {}): Promise<Queue> {
  const jobsUrl = jobsSetting(databaseUrl).JOBS_URL
  return openQueue({ connection: connectionOf(databaseUrl), jobsUrl, ...more }, logger)
}

/** Does `work` with the jobs of a test's database as its workers see them. */
export async function withJobs<T>(databaseUrl: string, work: (jobs: JobRepository) => Promise<T>): Promise<T> {
  const pool = createPool(connectionOf(databaseUrl), logger)
  const store = await openStore(pool, jobsSetting(databaseUrl).JOBS_URL, logger)
  try {
    await store.backend.connect()
    return await work(store.backend.repository)
  } finally {
    await store.close()
    await pool.end()
  }
}

/** The jobs that wait or run, or only those of one name. */
export async function jobsOf(databaseUrl: string, name?: string): Promise<JobParameters[]> {
  const { jobs } = await withJobs(databaseUrl, (all) => all.queryJobs(name ? { name } : {}))
  return jobs
}
