import { pruneEvents } from '../events/log.ts'
import type { Queue } from '../queue/agenda.ts'
import { sweepOutbox } from '../sync/export-drain.ts'
import { pruneRuns } from '../sync/prune-runs.ts'
import { runSchedules } from '../sync/schedule.ts'
import { sweepRuns } from '../sync/sweep.ts'
import type { WorkerParts } from '../sync/work.ts'
import { type AnnounceParts, announce } from '../webhooks/announce.ts'
import { type DeliverParts, sweepDeliveries } from '../webhooks/deliver.ts'
import { pruneDeliveries } from '../webhooks/prune.ts'
import { handleDeliveries } from './deliver-webhook.ts'
import { handleOutbox } from './drain-outbox.ts'
import { handleExports } from './export-storage.ts'
import { handleImports } from './import-storage.ts'
import { startRounds } from './rounds.ts'

/** What the jobs of each room work with. */
export interface JobParts {
  worker: WorkerParts
  webhooks: AnnounceParts & DeliverParts
}

/** Lets this process do every kind of job, `concurrency` imports at a time. Call before the queue starts. */
export function handleJobs(queue: Queue, { worker, webhooks }: JobParts, concurrency: number): void {
  handleImports(queue, worker, concurrency)
  handleExports(queue, worker, concurrency)
  handleOutbox(queue, worker, concurrency)
  handleDeliveries(queue, webhooks)
}

/** Lets this process look after what nobody tells it of. Returns what ends that. */
export function makeRounds(queue: Queue, { worker, webhooks }: JobParts): () => Promise<void> {
  const { em, heartbeatSeconds } = worker
  const parts = { em: em.fork(), queue }
  return startRounds(worker, {
    'lost runs': { everySeconds: 1, make: () => sweepRuns(parts, heartbeatSeconds) },
    schedules: { everySeconds: 1, make: () => runSchedules(parts) },
    'pending exports': { everySeconds: 1, make: () => sweepOutbox(parts, heartbeatSeconds) },
    'late webhooks': {
      everySeconds: Math.max(1, heartbeatSeconds),
      async make() {
        await announce(webhooks)
        await sweepDeliveries(webhooks)
      },
    },
    // Often, for in an hour a large fleet writes millions of them.
    'old events': {
      everySeconds: 300,
      async make() {
        // Not before webhooks were told of them.
        await announce(webhooks)
        await pruneEvents(em.fork())
      },
    },
    'failed jobs': { everySeconds: 3_600, make: queue.prune },
    'old runs': { everySeconds: 3_600, make: () => pruneRuns(em.fork()) },
    'old deliveries': { everySeconds: 3_600, make: () => pruneDeliveries(em.fork()) },
  })
}
