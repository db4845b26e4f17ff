import { startAssisting } from './jobs/assist.ts'
import { handleJobs, type JobParts, startMaintenance } from './jobs/index.ts'
import type { Queue } from './queue/agenda.ts'
import { joinFleet } from './runs/fleet.ts'
import { startAnnouncer } from './webhooks/announcer.ts'

/**
 * Starts the worker role: syncs (`concurrency` at a time), exports, webhooks, and the periodic tasks. Appends a stop function
 * for each part to `stops`, in the order of starts; stopping hands running syncs over to other workers.
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
  stops.push(startMaintenance(queue, parts))
  stops.push(startAnnouncer({ ...webhooks, events: worker.events }))
  stops.push(startAssisting(worker))
}
