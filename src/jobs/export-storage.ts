import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type WorkerDeps, workOnRun } from './work.ts'

/** Handles export jobs: `concurrency` at a time, and as many again for projects that have less than their share. */
export function handleExports(queue: Queue, deps: WorkerDeps, concurrency: number): void {
  for (const kind of [jobs.exportStorage, jobs.exportStorageExtra]) {
    queue.handle(kind, ({ runId, attempt }, stopping) => workOnRun(deps, { id: runId, attempt }, stopping), concurrency)
  }
}
