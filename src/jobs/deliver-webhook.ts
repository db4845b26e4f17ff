import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { type DeliverParts, deliverDue } from '../webhooks/deliver.ts'

// Sending is waiting: it costs a socket, hardly any work.
const concurrency = 32

/** Lets this process send to webhooks, to several at a time, but to each one message after the other. */
export function handleDeliveries(queue: Queue, parts: DeliverParts): void {
  queue.handle(jobs.deliverWebhook, ({ webhookId }, stopping) => deliverDue(parts, webhookId, stopping), concurrency)
}
