import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type AnnounceParts, announce } from '../webhooks/announce.ts'
import { sweepDeliveries } from '../webhooks/deliver.ts'

/** Lets this process look for what webhooks were not told, or not sent. */
export function handleWebhookSweeps(queue: Queue, parts: AnnounceParts): void {
  queue.handle(jobs.sweepWebhooks, async () => {
    await announce(parts)
    await sweepDeliveries(parts)
  })
}
