import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import type { WorkerParts } from '../sync/work.ts'
import { handleImports } from './import-storage.ts'
import { handlePruning } from './prune-events.ts'
import { handleSweeps } from './sweep-runs.ts'

/** Lets this process do every kind of job. Call before the queue starts. */
export function handleJobs(queue: Queue, parts: WorkerParts, concurrency: number): void {
  handleImports(queue, parts, concurrency)
  handleSweeps(queue, parts.em, parts.heartbeatSeconds)
  handlePruning(queue, parts.em)
}

/** Sets the jobs that repeat. Call after the queue has started. */
export async function scheduleJobs(queue: Queue, heartbeatSeconds: number): Promise<void> {
  await queue.every(Math.max(1, heartbeatSeconds), jobs.sweepRuns, {})
  await queue.every(3_600, jobs.pruneEvents, {})
}
