import { sql } from 'kysely'
import { WebhookEntity } from '../entities/webhook.ts'
import { type WebhookDelivery, WebhookDeliveryEntity } from '../entities/webhook-delivery.ts'
import { ConflictError, NotFoundError } from '../errors.ts'
import { jobs } from '../queue/jobs.ts'
import { execute } from '../sql.ts'
import type { AnnounceParts } from './announce.ts'
import { writeMessage } from './message.ts'

type ResendParts = Pick<AnnounceParts, 'em' | 'queue' | 'globalId'>

/** Sends a PING to a webhook, also if it is inactive. @throws NotFoundError */
export async function sendPing({ em, queue, globalId }: ResendParts, webhookId: number): Promise<WebhookDelivery> {
  const fork = em.fork()
  const webhook = await fork.findOne(WebhookEntity, webhookId)
  if (!webhook) throw new NotFoundError('There is no such webhook.')
  const data = { projectId: globalId('Project', webhook.project), webhookId: globalId('Webhook', webhook.id) }
  const delivery = fork.create(WebhookDeliveryEntity, {
    webhook: webhook.id,
    action: 'PING',
    payload: writeMessage('PING', new Date(), data),
  })
  await fork.persist(delivery).flush()
  await queue.offer(jobs.deliverWebhook, { webhookId })
  return delivery
}

/**
 * Sends a message again, with the same id and the attempts of a new one. A pending message is sent now.
 * @throws NotFoundError; ConflictError if its webhook is inactive
 */
export async function redeliver({ em, queue }: ResendParts, deliveryId: number): Promise<WebhookDelivery> {
  const fork = em.fork()
  const delivery = await fork.findOne(WebhookDeliveryEntity, deliveryId)
  if (!delivery) throw new NotFoundError('There is no such delivery.')
  const webhook = await fork.findOneOrFail(WebhookEntity, delivery.webhook)
  if (!webhook.active && delivery.action !== 'PING') throw new ConflictError('The webhook is not active.')
  await execute(
    fork,
    sql`update webhook_delivery set status = 'PENDING', attempts = 0, next_attempt_at = now(), delivered_at = null
     where id = ${deliveryId}`,
  )
  await queue.offer(jobs.deliverWebhook, { webhookId: webhook.id })
  return fork.refreshOrFail(delivery)
}
