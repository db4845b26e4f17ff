import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type WorkerParts, workOnRun } from '../sync/work.ts'

/** Lets this process do exports, `concurrency` at a time. */
export function handleExports(queue: Queue, parts: WorkerParts, concurrency: number): void {
  queue.handle(
    jobs.exportStorage,
    ({ runId, attempt }, stopping) => workOnRun(parts, { id: runId, attempt }, stopping),
    concurrency,
  )
}
