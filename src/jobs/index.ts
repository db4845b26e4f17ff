import { pruneEvents } from '../events/log.ts'
import { sweepOutbox } from '../export/drain.ts'
import type { Queue } from '../queue/agenda.ts'
import { pruneRuns } from '../runs/prune-runs.ts'
import { runSchedules } from '../runs/schedule.ts'
import { sweepRuns } from '../runs/sweep.ts'
import { type AnnounceParts, announce } from '../webhooks/announce.ts'
import { type DeliverParts, sweepDeliveries } from '../webhooks/deliver.ts'
import { pruneDeliveries } from '../webhooks/prune.ts'
import { handleDeliveries } from './deliver-webhook.ts'
import { handleOutbox } from './drain-outbox.ts'
import { handleExports } from './export-storage.ts'
import { handleImports } from './import-storage.ts'
import { startPeriodicTasks } from './periodic-tasks.ts'
import type { WorkerDeps } from './work.ts'

/** What the jobs of each module need. */
export interface JobDeps {
  worker: WorkerDeps
  webhooks: AnnounceParts & DeliverParts
}

/** Registers the handlers of all jobs; `concurrency` imports run at a time. Call it before the queue starts. */
export function handleJobs(queue: Queue, { worker, webhooks }: JobDeps, concurrency: number): void {
  handleImports(queue, worker, concurrency)
  handleExports(queue, worker, concurrency)
  handleOutbox(queue, worker, concurrency)
  handleDeliveries(queue, webhooks)
}

/** Starts the periodic tasks: those that find lost work, start schedules, and delete old rows. The returned function stops them. */
export function startMaintenance(queue: Queue, { worker, webhooks }: JobDeps): () => Promise<void> {
  const { em, heartbeatSeconds } = worker
  const deps = { em: em.fork(), queue }
  return startPeriodicTasks(worker, {
    'lost runs': { everySeconds: 1, run: () => sweepRuns(deps, heartbeatSeconds) },
    schedules: { everySeconds: 1, run: () => runSchedules(deps) },
    'pending exports': { everySeconds: 1, run: () => sweepOutbox(deps, heartbeatSeconds) },
    'late webhooks': {
      everySeconds: Math.max(1, heartbeatSeconds),
      async run() {
        await announce(webhooks)
        await sweepDeliveries(webhooks)
      },
    },
    // A large fleet writes millions of events an hour.
    'old events': {
      everySeconds: 300,
      async run() {
        // Only events that became webhook deliveries may go.
        await announce(webhooks)
        await pruneEvents(em.fork())
      },
    },
    'failed jobs': { everySeconds: 3_600, run: queue.prune },
    'old runs': { everySeconds: 3_600, run: () => pruneRuns(em.fork()) },
    'old deliveries': { everySeconds: 3_600, run: () => pruneDeliveries(em.fork()) },
  })
}
