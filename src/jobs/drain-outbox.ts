import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type DrainParts, drainOutbox } from '../sync/export-drain.ts'

/** Lets this process write pending exports, to `concurrency` storages at a time. */
export function handleOutbox(queue: Queue, parts: DrainParts, concurrency: number): void {
  queue.handle(jobs.drainOutbox, ({ storageId }, stopping) => drainOutbox(parts, storageId, stopping), concurrency)
}
