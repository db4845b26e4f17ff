import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { SluiceError } from '../errors.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import type { Egress } from '../security/egress.ts'
import type { Sealer } from '../security/seal.ts'
import { execute, storableText } from '../sql.ts'
import { type Answer, post } from './post.ts'
import { unsealWebhookSecret } from './save.ts'
import { signatureHeaders } from './sign.ts'

/** Number of attempts before a message counts as failed. */
const maxAttempts = 8

const maxWaitSeconds = 24 * 3_600
/** A delivery that is overdue by this time has lost its job. */
const overdueSeconds = 5
// The next sweeps find the others of a project.
const sweptPerProject = 100

/** What sending needs. */
export interface DeliverParts {
  em: EntityManager
  queue: Queue
  sealer: Sealer
  egress: Egress
  /** Seconds before the second attempt; see `waitSeconds`. */
  retrySeconds: number
  /** Time limit of one attempt, in seconds. */
  timeoutSeconds: number
}

/** Seconds before the next attempt: five times as long after each one, plus up to 20 % at random. */
export function waitSeconds(attempts: number, retrySeconds: number): number {
  return retrySeconds * 5 ** (attempts - 1) * (1 + Math.random() / 5)
}

/**
 * Sends the due deliveries of a webhook, oldest first, unless another worker does. After a failed attempt the webhook goes to the end
 * of the queue, so that a receiver that hangs occupies one slot, and never twice in a row.
 */
export async function deliverDue(parts: DeliverParts, webhookId: number, stopping: AbortSignal): Promise<void> {
  const { em, queue, timeoutSeconds } = parts
  const leaseSeconds = 3 * timeoutSeconds
  while (await lease(em, webhookId, leaseSeconds)) {
    let arrived = true
    try {
      while (arrived) {
        const due = await nextDue(em, webhookId, leaseSeconds)
        if (!due) break
        arrived = await attempt(parts, due, stopping)
      }
    } catch (error) {
      if (!stopping.aborted) throw error
    } finally {
      await execute(em, sql`update webhook set leased_until = null where id = ${webhookId}`)
    }
    // Deliveries that became due meanwhile could not get the lease.
    if (!(await isDue(em, webhookId))) return
    if (!arrived || stopping.aborted) {
      await queue.enqueue(jobs.deliverWebhook, { webhookId })
      return
    }
  }
}

/** Enqueues jobs for overdue deliveries, whose worker or job was lost. */
export async function sweepDeliveries({ em, queue }: Pick<DeliverParts, 'em' | 'queue'>): Promise<void> {
  const waiting = await execute<{ id: string }>(
    em,
    sql`select id from (
       select w.id, row_number() over (partition by w.project_id order by w.id) as turn from webhook w
       where (w.leased_until is null or w.leased_until < now()) and exists (
         select from webhook_delivery d where d.webhook_id = w.id and d.status = 'PENDING'
           and d.next_attempt_at < now() - make_interval(secs => ${overdueSeconds}) and (w.active or d.action = 'PING'))) late
     where turn <= ${sweptPerProject} order by turn`,
  )
  for (const { id } of waiting) await queue.enqueue(jobs.deliverWebhook, { webhookId: Number(id) })
}

async function lease(em: EntityManager, webhookId: number, seconds: number): Promise<boolean> {
  const rows = await execute(
    em,
    sql`update webhook set leased_until = now() + make_interval(secs => ${seconds})
     where id = ${webhookId} and (leased_until is null or leased_until < now()) returning id`,
  )
  return rows.length > 0
}

interface Due {
  id: string
  message_id: string
  payload: string
  attempts: number
  webhook: string
  project: string
  url: string
  secret: string
  former_secret: string | null
}

const dueCondition = sql`d.status = 'PENDING' and d.next_attempt_at <= now() and (w.active or d.action = 'PING')`

/** Renews the lease with every message. */
async function nextDue(em: EntityManager, webhookId: number, seconds: number): Promise<Due | undefined> {
  const [due] = await execute<Due>(
    em,
    sql`with w as (
       update webhook set leased_until = now() + make_interval(secs => ${seconds}) where id = ${webhookId} returning *)
     select d.id, d.message_id, d.payload, d.attempts, w.id as webhook, w.project_id as project, w.url, w.secret,
       case when w.former_secret_until > now() then w.former_secret end as former_secret
     from w join webhook_delivery d on d.webhook_id = w.id where ${dueCondition} order by d.id limit 1`,
  )
  return due
}

async function isDue(em: EntityManager, webhookId: number): Promise<boolean> {
  const rows = await execute(
    em,
    sql`select 1 from webhook w join webhook_delivery d on d.webhook_id = w.id
     where w.id = ${webhookId} and ${dueCondition} limit 1`,
  )
  return rows.length > 0
}

/** Sends a message and saves the result. False if it did not arrive; then the next attempt is queued. */
async function attempt(parts: DeliverParts, due: Due, stopping: AbortSignal): Promise<boolean> {
  let answer: Answer | undefined
  let error: string | null = null
  try {
    answer = await send(parts, due, stopping)
    error = faultOf(answer)
  } catch (thrown) {
    stopping.throwIfAborted()
    if (!(thrown instanceof SluiceError)) throw thrown
    error = thrown.message
  }
  const { em, queue, retrySeconds } = parts
  const attempts = due.attempts + 1
  const gone = answer?.status === 410
  const status = error === null ? 'DELIVERED' : gone || attempts >= maxAttempts ? 'FAILED' : 'PENDING'
  const wait = Math.min(Math.max(waitSeconds(attempts, retrySeconds), answer?.retryAfterSeconds ?? 0), maxWaitSeconds)
  // PostgreSQL's text cannot store NUL.
  const body = answer?.body == null ? null : storableText(answer.body)
  await execute(
    em,
    sql`update webhook_delivery set status = ${status}::text, attempts = ${attempts}, attempted_at = now(),
       next_attempt_at = now() + make_interval(secs => ${wait}), response_status = ${answer?.status ?? null}, response_body = ${body}, error = ${error},
       delivered_at = case when ${status}::text = 'DELIVERED' then now() end
     where id = ${due.id} and status = 'PENDING'`,
  )
  if (gone) await execute(em, sql`update webhook set active = false, updated_at = now() where id = ${due.webhook}`)
  if (status === 'PENDING') {
    const at = new Date(Date.now() + wait * 1_000)
    await queue.enqueue(jobs.deliverWebhook, { webhookId: Number(due.webhook) }, at)
  }
  return error === null
}

async function send({ sealer, egress, timeoutSeconds }: DeliverParts, due: Due, signal: AbortSignal): Promise<Answer> {
  const secrets = [due.secret, due.former_secret]
    .filter((sealed) => sealed !== null)
    .map((sealed) => unsealWebhookSecret(sealer, sealed, { id: Number(due.webhook), project: Number(due.project) }))
  const messageId = `msg_${due.message_id}`
  const timestamp = Math.floor(Date.now() / 1_000)
  return post({
    url: due.url,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Sluice',
      ...signatureHeaders(secrets, { messageId, timestamp, body: due.payload }),
    },
    body: due.payload,
    egress,
    timeoutSeconds,
    signal,
  })
}

/** Why a response does not confirm the message; null if it does (Standard Webhooks 1.0, "Delivery success and failure"). */
function faultOf({ status }: Answer): string | null {
  if (status >= 200 && status < 300) return null
  if (status === 410) return 'The receiver answered 410 Gone: the webhook is no longer active.'
  if (status >= 300 && status < 400) {
    return `The receiver answered ${status}. Redirects are not followed: give the webhook the URL they lead to.`
  }
  return `The receiver answered ${status}.`
}
