import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { globalIdOf } from '../graphql/ids.ts'
import { startAssisting } from '../jobs/assist.ts'
import { handleJobs, type JobDeps, startMaintenance } from '../jobs/index.ts'
import type { Logger } from '../logger.ts'
import { orAbort } from '../or-abort.ts'
import type { Queue } from '../queue/agenda.ts'
import { openQueue } from '../queue/open.ts'
import { joinFleet } from '../runs/fleet.ts'
import { startAnnouncer } from '../webhooks/announcer.ts'
import type { Data } from './data.ts'

interface JobOptions {
  logger: Logger
  signal?: AbortSignal | undefined
  /** Receives a stop function for each part, in the order in which the parts start. */
  stops: (() => Promise<unknown>)[]
}

/** The job queue, and the dependencies for saving, testing and delivering webhooks. */
interface Jobs {
  queue: Queue
  webhooks: JobDeps['webhooks'] & Pick<Data, 'sealer' | 'egress'>
}

/**
 * Opens the job queue. In a process with the worker role, also runs jobs (WORKER_CONCURRENCY syncs at a time), and starts the
 * periodic tasks.
 * @throws JobsUnusable if JOBS_URL cannot be used; the reason of `signal` when it aborts.
 */
export async function startJobs(config: Config, data: Data, options: JobOptions): Promise<Jobs> {
  const { em, sealer, egress } = data
  const { logger, signal, stops } = options
  const queue = await orAbort(openQueue({ connection: data.session, jobsUrl: config.JOBS_URL }, logger), signal)
  const webhooks = {
    ...{ em, queue, sealer, egress, logger, globalId: globalIdOf },
    retrySeconds: config.WEBHOOK_RETRY_DELAY,
    timeoutSeconds: config.WEBHOOK_TIMEOUT,
  }
  if (config.SLUICE_ROLES.includes('worker')) {
    await startWorker(config, data, { queue, webhooks }, options)
  } else {
    // Without handlers the queue takes no jobs, but it must be started so that it can notify workers of new jobs.
    await queue.start()
    stops.push(queue.stop)
  }
  return { queue, webhooks }
}

/** Starts the worker role. Stopping it hands running syncs over to other workers. */
async function startWorker(
  config: Config,
  { em, events, connect }: Data,
  { queue, webhooks }: Jobs,
  { logger, stops }: JobOptions,
): Promise<void> {
  const worker = {
    ...{ em, queue, events, connect, logger },
    readConcurrency: config.READ_CONCURRENCY,
    writeConcurrency: config.WRITE_CONCURRENCY ?? Math.min(8, 4 * availableParallelism()),
    listConcurrency: config.LIST_CONCURRENCY,
    assistAfterSeconds: config.ASSIST_AFTER,
    retryWindowSeconds: config.STORAGE_PATIENCE,
    spoolFolder: join(config.DATA_DIR, 'spool'),
    activeRuns: new Set<number>(),
    heartbeatSeconds: config.STORAGE_IN_PROGRESS_TIMER,
  }
  const parts: JobDeps = { worker, webhooks }
  handleJobs(queue, parts, config.WORKER_CONCURRENCY)
  stops.push(await joinFleet(worker, config.WORKER_CONCURRENCY))
  await queue.start()
  stops.push(queue.stop)
  stops.push(startMaintenance(queue, parts))
  stops.push(startAnnouncer({ ...webhooks, events }))
  stops.push(startAssisting(worker))
}
