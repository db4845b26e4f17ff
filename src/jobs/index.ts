import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import type { WorkerParts } from '../sync/work.ts'
import type { AnnounceParts } from '../webhooks/announce.ts'
import type { DeliverParts } from '../webhooks/deliver.ts'
import { handleDeliveries } from './deliver-webhook.ts'
import { handleOutbox } from './drain-outbox.ts'
import { handleExports } from './export-storage.ts'
import { handleImports } from './import-storage.ts'
import { handleDeliveryPruning } from './prune-deliveries.ts'
import { handlePruning } from './prune-events.ts'
import { handleSweeps } from './sweep-runs.ts'
import { handleWebhookSweeps } from './sweep-webhooks.ts'

/** What the jobs of each room work with. */
export interface JobParts {
  worker: WorkerParts
  webhooks: AnnounceParts & DeliverParts
}

/** Lets this process do every kind of job, `concurrency` imports at a time. Call before the queue starts. */
export function handleJobs(queue: Queue, { worker, webhooks }: JobParts, concurrency: number): void {
  handleImports(queue, worker, concurrency)
  handleExports(queue, worker, concurrency)
  handleSweeps(queue, worker.em, worker.heartbeatSeconds)
  handlePruning(queue, webhooks)
  handleOutbox(queue, worker, concurrency)
  handleDeliveries(queue, webhooks)
  handleWebhookSweeps(queue, webhooks)
  handleDeliveryPruning(queue, webhooks.em)
}

/** Sets the jobs that repeat. Call after the queue has started. */
export async function scheduleJobs(queue: Queue, heartbeatSeconds: number): Promise<void> {
  await queue.every(Math.max(1, heartbeatSeconds), jobs.sweepRuns, {})
  await queue.every(Math.max(1, heartbeatSeconds), jobs.sweepWebhooks, {})
  await queue.every(1, jobs.sweepOutbox, {})
  await queue.every(3_600, jobs.pruneEvents, {})
  await queue.every(3_600, jobs.pruneDeliveries, {})
}
