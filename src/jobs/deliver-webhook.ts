import { sql } from 'kysely'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { execute } from '../sql.ts'
import { createTurns } from '../turns.ts'
import { type DeliverParts, deliverDue } from '../webhooks/deliver.ts'

// A delivery mostly waits for its receiver; it costs a socket and little processor time.
const concurrency = 128
const perProject = 32

/**
 * Handles jobs that send webhook deliveries. Each webhook gets one message at a time. Receivers of one project that hang
 * occupy at most the project's places. Webhooks that wait for a place are in memory only; if this process dies,
 * `sweepDeliveries` finds them.
 */
export function handleDeliveries(queue: Queue, deps: DeliverParts): void {
  const turns = createTurns(perProject)
  const work = async ({ webhookId }: { webhookId: number }, stopping: AbortSignal) => {
    const [webhook] = await execute<{ project: string }>(
      deps.em.fork(),
      sql`select project_id as project from webhook where id = ${webhookId}`,
    )
    if (!webhook) return
    await turns.take(Number(webhook.project), webhookId, (id) => deliverDue(deps, id, stopping), stopping)
  }
  queue.handle(jobs.deliverWebhook, work, concurrency)
}
