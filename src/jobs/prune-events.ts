import type { EntityManager } from '@mikro-orm/postgresql'
import { pruneEvents } from '../events/log.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'

/** Lets this process shorten the event log. */
export function handlePruning(queue: Queue, em: EntityManager): void {
  queue.handle(jobs.pruneEvents, () => pruneEvents(em.fork()))
}
