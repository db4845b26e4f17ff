import { setTimeout as sleep } from 'node:timers/promises'
import { Agenda, type Job, type NotificationChannel } from 'agenda'
import type pg from 'pg'
import { describeError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { outsideRequests } from '../security/request-scope.ts'
import type { JobKind } from './jobs.ts'
import { endPool } from './postgres.ts'
import type { JobStore } from './store.ts'

/** What has become of a job; `reason` is what its handler has thrown. */
export type JobState = { is: 'ALIVE' } | { is: 'FAILED'; reason: string } | { is: 'GONE' }

/** The queue of background jobs. A job may run more than once: handlers must guard themselves by the state of their row. */
export interface Queue {
  /** Puts a job into the queue, to be done now or `at` a time, and returns its id. Call it after the commit of what the job reads. */
  enqueue<P>(kind: JobKind<P>, payload: P, at?: Date): Promise<string>
  /**
   * Like `enqueue`, for what a sweeper finds anyhow: when the queue cannot be reached, that is logged, and the answer is
   * undefined.
   */
  offer<P>(kind: JobKind<P>, payload: P): Promise<string | undefined>
  /** Sets what a job does. `signal` aborts when the queue stops. Call before `start`. */
  handle<P>(kind: JobKind<P>, handler: (payload: P, signal: AbortSignal) => Promise<void>, concurrency?: number): void
  /** ALIVE while the job waits or runs; FAILED when its handler has thrown; GONE when it is done or was taken out. */
  look(jobId: string): Promise<JobState>
  /**
   * Takes a job out of the queue; one that runs is not stopped. When the queue cannot be reached, that is logged: a job that is
   * left behind finds nothing to do.
   */
  remove(jobId: string): Promise<void>
  /** Forgets the jobs that failed more than a day ago, which nobody asks for any more. */
  prune(): Promise<void>
  start(): Promise<void>
  /** Rejects when the queue's database does not answer. */
  ping(): Promise<void>
  /** Takes no more jobs, aborts the running ones, waits for their handlers and closes the connections. */
  stop(): Promise<void>
}

/** How long a process that died keeps a job from others. */
const lockSeconds = 10
const failedKeptMs = 24 * 3_600_000
// Agenda goes by the clock of each machine: a worker whose clock is behind must not wait until a job is due there, too.
const clockSkewMs = 24 * 3_600_000

/** What a queue is made of: where its jobs are kept, how it hears of new ones, and the app's own database. */
export interface QueueParts {
  store: JobStore
  channel: NotificationChannel
  pool: pg.Pool
  pollSeconds: number
}

/** A queue over its parts, which it closes when it stops. */
export function createQueue({ store, channel, pool, pollSeconds }: QueueParts, logger: Logger): Queue {
  const { backend } = store
  const agenda = new Agenda({
    backend,
    notificationChannel: channel,
    name: `sluice-${process.pid}-${Math.random().toString(36).slice(2)}`,
    processEvery: pollSeconds * 1_000,
    defaultLockLifetime: lockSeconds * 1_000,
    // Each kind has a bound of its own; one that is busy must not keep the others waiting.
    maxConcurrency: 1_000,
    removeOnComplete: true,
  })
  agenda.on('error', (error) => logger.error({ err: error }, 'job queue'))
  const stopping = new AbortController()
  /** Jobs of this process that run, or are still being written down as done; 0 when the database cannot be asked. */
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
        logger.warn({ err: error, job: kind.name }, 'a job could not be put into the queue')
        return undefined
      }),
    handle(kind, handler, concurrency = 1) {
      const process = async (job: Job) => {
        // The lock must outlive a handler of any length; a job that was removed from the queue meanwhile cannot be touched.
        const beat = setInterval(() => job.touch().catch(() => {}), (lockSeconds * 1_000) / 3)
        try {
          await outsideRequests(() => handler(kind.payload.parse(job.attrs.data ?? {}), stopping.signal))
        } catch (error) {
          logger.error({ err: error, job: kind.name }, 'a job failed')
          // The queue stores the message, which can quote what a remote server sent.
          throw new Error(describeError(error))
        } finally {
          clearInterval(beat)
        }
      }
      agenda.define(kind.name, process, { concurrency, lockLimit: concurrency })
    },
    async look(jobId) {
      const job = store.idForm.test(jobId) ? await backend.repository.getJobById(jobId) : null
      if (!job) return { is: 'GONE' }
      return job.failedAt ? { is: 'FAILED', reason: job.failReason ?? '' } : { is: 'ALIVE' }
    },
    async remove(jobId) {
      if (!store.idForm.test(jobId)) return
      await agenda.cancel({ id: jobId }).catch((error) => {
        logger.warn({ err: error }, 'a job could not be taken out of the queue')
      })
    },
    async prune() {
      await store.removeFailed(new Date(Date.now() - failedKeptMs))
    },
    async start() {
      await agenda.start()
    },
    async ping() {
      await Promise.all([pool.query('select 1'), store.ping()])
    },
    async stop() {
      stopping.abort(new Error('The server is stopping.'))
      // Agenda looks at its list at a job's "complete", a moment before the job is off it, and would wait for the timeout.
      const idle = new AbortController()
      const drained = agenda.drain({ timeout: 20_000, signal: idle.signal }).finally(() => idle.abort())
      while (!idle.signal.aborted && (await runningJobs()) > 0) await sleep(10)
      idle.abort()
      await drained
      await backend.disconnect()
      await store.close()
      await endPool(pool)
      // Ends the attempt to listen again, if there was one.
      await channel.disconnect()
    },
  }
}
