import type { EntityManager } from '@mikro-orm/postgresql'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { sweepRuns } from '../sync/sweep.ts'

/** Lets this process look for lost runs. */
export function handleSweeps(queue: Queue, em: EntityManager, heartbeatSeconds: number): void {
  queue.handle(jobs.sweepRuns, () => sweepRuns({ em: em.fork(), queue }, heartbeatSeconds))
}
