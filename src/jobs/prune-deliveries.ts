import type { EntityManager } from '@mikro-orm/postgresql'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { pruneDeliveries } from '../webhooks/prune.ts'

/** Lets this process shorten the log of webhook deliveries. */
export function handleDeliveryPruning(queue: Queue, em: EntityManager): void {
  queue.handle(jobs.pruneDeliveries, () => pruneDeliveries(em.fork()))
}
