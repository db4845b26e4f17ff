import { handleJobs, type JobParts, makeRounds } from './jobs/index.ts'
import type { Queue } from './queue/agenda.ts'
import { startAssisting } from './sync/assist.ts'
import { joinFleet } from './sync/fleet.ts'
import { startAnnouncer } from './webhooks/announcer.ts'

/**
 * Makes this process take jobs: syncs (`concurrency` at a time), exports, webhooks, and what is to be done again and again.
 * Starts the queue. `stops` gets what ends each part, which hands running syncs back, in the order of starts.
 */
export async function startWorker(
  queue: Queue,
  parts: JobParts,
  { concurrency, stops }: { concurrency: number; stops: (() => Promise<unknown>)[] },
): Promise<void> {
  const { worker, webhooks } = parts
  handleJobs(queue, parts, concurrency)
  stops.push(await joinFleet(worker, concurrency))
  await queue.start()
  stops.push(queue.stop)
  stops.push(makeRounds(queue, parts))
  stops.push(startAnnouncer({ ...webhooks, events: worker.events }))
  stops.push(startAssisting(worker))
}
