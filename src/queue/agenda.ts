import { setTimeout as sleep } from 'node:timers/promises'
import { Agenda, type Job, type NotificationChannel } from 'agenda'
import type pg from 'pg'
import { describeError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { outsideRequests } from '../security/request-scope.ts'
import type { JobKind } from './jobs.ts'
import { endPool } from './postgres.ts'
import type { JobStore } from './store.ts'

/** State of a job; `reason` is the message of what its handler threw. */
export type JobState = { is: 'ALIVE' } | { is: 'FAILED'; reason: string } | { is: 'GONE' }

/** The queue of background jobs. A job can run more than once, so handlers check the state of their row. */
export interface Queue {
  /** Adds a job that runs now or `at` a time, and returns its id. Call it after the commit of what the job reads. */
  enqueue<P>(kind: JobKind<P>, payload: P, at?: Date): Promise<string>
  /**
   * Like `enqueue`, for work that a periodic task finds later if this fails: a failure is logged, and the result is undefined.
   */
  offer<P>(kind: JobKind<P>, payload: P): Promise<string | undefined>
  /** Registers the handler of a kind of job. `signal` aborts when the queue stops. Call it before `start`. */
  handle<P>(kind: JobKind<P>, handler: (payload: P, signal: AbortSignal) => Promise<void>, concurrency?: number): void
  /** ALIVE while the job waits or runs; FAILED when its handler threw; GONE when it completed or was removed. */
  look(jobId: string): Promise<JobState>
  /**
   * Removes a job; a running job continues. A failure is logged only, because a job that remains finds nothing to do.
   */
  remove(jobId: string): Promise<void>
  /** Deletes jobs that failed more than a day ago. */
  prune(): Promise<void>
  start(): Promise<void>
  /** Rejects if a database of the queue does not respond. */
  ping(): Promise<void>
  /** Takes no more jobs, aborts the running ones, waits for their handlers, and closes the connections. */
  stop(): Promise<void>
}

/** Lease of a job: after this time, another process takes over the job of a process that died. */
const lockSeconds = 10
const failedRetentionMs = 24 * 3_600_000
// Agenda compares with the clock of each machine. Jobs are due a day ago, so that a worker whose clock is slow starts them at once.
const clockSkewMs = 24 * 3_600_000

/** What a queue needs: the store of its jobs, the channel that announces new jobs, and the pool of the app's database. */
interface QueueDeps {
  store: JobStore
  channel: NotificationChannel
  pool: pg.Pool
  pollSeconds: number
}

/** Creates a queue. It closes its dependencies when it stops. */
export function createQueue({ store, channel, pool, pollSeconds }: QueueDeps, logger: Logger): Queue {
  const { backend } = store
  const agenda = new Agenda({
    backend,
    notificationChannel: channel,
    name: `sluice-${process.pid}-${Math.random().toString(36).slice(2)}`,
    processEvery: pollSeconds * 1_000,
    defaultLockLifetime: lockSeconds * 1_000,
    // Each kind has its own limit, so that a busy kind does not delay the others.
    maxConcurrency: 1_000,
    removeOnComplete: true,
  })
  agenda.on('error', (error) => logger.error({ err: error }, 'job queue'))
  const stopping = new AbortController()
  /** Number of jobs of this process that run or are being marked as completed; 0 if the database does not respond. */
  const runningJobs = () =>
    agenda.getRunningStats().then(
      (stats) => Number(stats.runningJobs),
      () => 0,
    )

  const enqueue: Queue['enqueue'] = async (kind, payload, at) => {
    const data = kind.payload.parse(payload)
    const job = await agenda.schedule(at ?? new Date(Date.now() - clockSkewMs), kind.name, data)
    return String(job.attrs._id)
  }

  return {
    enqueue,
    offer: (kind, payload) =>
      enqueue(kind, payload).catch((error) => {
        logger.warn({ err: error, job: kind.name }, 'a job could not be added to the queue')
        return undefined
      }),
    handle(kind, handler, concurrency = 1) {
      const process = async (job: Job) => {
        // Renews the lease while the handler runs. It fails for a job that was removed meanwhile.
        const heartbeat = setInterval(() => job.touch().catch(() => {}), (lockSeconds * 1_000) / 3)
        try {
          await outsideRequests(() => handler(kind.payload.parse(job.attrs.data ?? {}), stopping.signal))
        } catch (error) {
          logger.error({ err: error, job: kind.name }, 'a job failed')
          // The queue stores the message, and a library's message can contain text of a remote server.
          throw new Error(describeError(error))
        } finally {
          clearInterval(heartbeat)
        }
      }
      agenda.define(kind.name, process, { concurrency, lockLimit: concurrency })
    },
    async look(jobId) {
      const job = store.idFormat.test(jobId) ? await backend.repository.getJobById(jobId) : null
      if (!job) return { is: 'GONE' }
      return job.failedAt ? { is: 'FAILED', reason: job.failReason ?? '' } : { is: 'ALIVE' }
    },
    async remove(jobId) {
      if (!store.idFormat.test(jobId)) return
      await agenda.cancel({ id: jobId }).catch((error) => {
        logger.warn({ err: error }, 'a job could not be removed from the queue')
      })
    },
    async prune() {
      await store.removeFailed(new Date(Date.now() - failedRetentionMs))
    },
    async start() {
      await agenda.start()
    },
    async ping() {
      await Promise.all([pool.query('select 1'), store.ping()])
    },
    async stop() {
      stopping.abort(new Error('The server is stopping.'))
      // On "complete" Agenda checks its list of jobs just before it removes the job, so `drain` alone would wait for its timeout.
      const idle = new AbortController()
      const drained = agenda.drain({ timeout: 20_000, signal: idle.signal }).finally(() => idle.abort())
      while (!idle.signal.aborted && (await runningJobs()) > 0) await sleep(10)
      idle.abort()
      await drained
      await backend.disconnect()
      await store.close()
      await endPool(pool)
      // Ends a pending attempt to reconnect.
      await channel.disconnect()
    },
  }
}
