import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { sql } from '../sql.ts'
import { createTurns } from '../turns.ts'
import { type DeliverParts, deliverDue } from '../webhooks/deliver.ts'

// Sending is waiting: it costs a socket, hardly any work.
const concurrency = 128
const perProject = 32

/**
 * Lets this process send to webhooks, to several at a time, but to each one message after the other. Receivers of one
 * project that hang take no more than the project's places. What waits in memory for them is found by `sweepDeliveries`
 * when this process dies.
 */
export function handleDeliveries(queue: Queue, parts: DeliverParts): void {
  const turns = createTurns(perProject)
  const work = async ({ webhookId }: { webhookId: number }, stopping: AbortSignal) => {
    const [webhook] = await sql<{ project: string }>(
      parts.em.fork(),
      'select project_id as project from webhook where id = $1',
      [webhookId],
    )
    if (!webhook) return
    await turns.take(Number(webhook.project), webhookId, (id) => deliverDue(parts, id, stopping), stopping)
  }
  queue.handle(jobs.deliverWebhook, work, concurrency)
}
