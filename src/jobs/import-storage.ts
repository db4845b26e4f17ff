import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type WorkerParts, workOnRun } from '../sync/work.ts'

/** Lets this process do imports, `concurrency` at a time, and as many of projects that have less than their share of these slots. */
export function handleImports(queue: Queue, parts: WorkerParts, concurrency: number): void {
  for (const kind of [jobs.importStorage, jobs.importStorageExtra]) {
    queue.handle(
      kind,
      ({ runId, attempt }, stopping) => workOnRun(parts, { id: runId, attempt }, stopping),
      concurrency,
    )
  }
}
