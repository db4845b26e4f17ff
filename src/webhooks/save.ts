import { type EntityManager, LockMode } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { ProjectEntity } from '../entities/project.ts'
import { type Webhook, type WebhookAction, WebhookEntity } from '../entities/webhook.ts'
import { type FieldError, NotFoundError, SluiceError, ValidationError } from '../errors.ts'
import type { Queue } from '../queue/agenda.ts'
import { jobs } from '../queue/jobs.ts'
import { webhookContext } from '../security/contexts.ts'
import type { Egress } from '../security/egress.ts'
import { targetOf } from '../security/egress-policy.ts'
import type { Sealer } from '../security/seal.ts'
import { execute } from '../sql.ts'
import { skipEvents, skipTasks } from './cursors.ts'
import { createSecret, faultOfSecret } from './sign.ts'

/** What saving webhooks needs. */
export interface SaveParts {
  em: EntityManager
  queue: Queue
  sealer: Sealer
  egress: Egress
}

/** Settings of a webhook. Absent or null fields keep their value or get their default. */
interface WebhookInput {
  url?: string | null | undefined
  actions?: readonly WebhookAction[] | null | undefined
  active?: boolean | null | undefined
  secret?: string | null | undefined
}

const maxUrlLength = 2_000
/** Time during which messages are also signed with the former key, so that receivers can switch without a gap. */
const changeoverHours = 24

/**
 * Creates a webhook for later events, and returns its key, the given one or a new one. The key is not readable later.
 * @throws ValidationError, NotFoundError; then nothing was changed
 */
export async function createWebhook(
  parts: SaveParts,
  project: number,
  input: WebhookInput,
): Promise<{ webhook: Webhook; secret: string }> {
  await validate(parts.egress, { url: '', actions: [], ...input })
  const secret = input.secret ?? createSecret()
  return parts.em.fork().transactional(async (tx) => {
    if ((await tx.count(ProjectEntity, { id: project })) === 0) throw new NotFoundError('There is no such project.')
    // The secret is encrypted for the id, so the id is allocated first.
    const [next] = await execute<{ id: string }>(tx, sql`select nextval(pg_get_serial_sequence('webhook', 'id')) as id`)
    const id = Number(next!.id)
    const settings = columns(parts, { id, project }, { ...input, secret, active: input.active ?? true })
    const webhook = tx.create(WebhookEntity, { id, project, ...settings } as Webhook)
    await tx.persist(webhook).flush()
    await skipEvents(tx, webhook.id)
    await skipTasks(tx, webhook.id)
    return { webhook, secret }
  })
}

/**
 * Changes a webhook. A webhook that becomes active receives later events and its pending deliveries.
 * @throws ValidationError, NotFoundError; then nothing was changed
 */
export async function updateWebhook(parts: SaveParts, id: number, input: WebhookInput): Promise<Webhook> {
  await validate(parts.egress, input)
  const { webhook, woken } = await parts.em.fork().transactional(async (tx) => {
    const webhook = await tx.findOne(WebhookEntity, id, { lockMode: LockMode.PESSIMISTIC_WRITE })
    if (!webhook) throw new NotFoundError('There is no such webhook.')
    const before = { active: webhook.active, tasks: webhook.actions.includes('TASKS_CREATED') }
    if (input.secret) {
      const until = new Date(Date.now() + changeoverHours * 3_600_000)
      tx.assign(webhook, { formerSecret: webhook.secret, formerSecretUntil: until })
    }
    tx.assign(webhook, columns(parts, webhook, input))
    await tx.flush()
    const woken = webhook.active && !before.active
    if (woken) await skipEvents(tx, id)
    if (woken || !before.tasks) await skipTasks(tx, id)
    return { webhook, woken }
  })
  if (woken) await parts.queue.offer(jobs.deliverWebhook, { webhookId: id })
  return webhook
}

/** Deletes a webhook with its deliveries. @throws NotFoundError */
export async function deleteWebhook(em: EntityManager, id: number): Promise<void> {
  if ((await em.fork().nativeDelete(WebhookEntity, { id })) === 0) throw new NotFoundError('There is no such webhook.')
}

/**
 * The key of a webhook's signatures. @throws SluiceError BAD_CREDENTIALS if it was encrypted for another webhook or with another
 * SECRET_KEY
 */
export function unsealWebhookSecret(
  sealer: Sealer,
  sealed: string,
  { id, project }: Pick<Webhook, 'id' | 'project'>,
): string {
  try {
    return sealer.unseal(sealed, webhookContext(id, project))
  } catch (cause) {
    const message =
      'The stored secret of the webhook cannot be read: it belongs to another webhook, or SECRET_KEY has changed. Set a new secret.'
    throw new SluiceError('BAD_CREDENTIALS', message, { cause })
  }
}

function columns(
  { sealer }: SaveParts,
  { id, project }: Pick<Webhook, 'id' | 'project'>,
  { url, actions, active, secret }: WebhookInput,
): Partial<Webhook> {
  return {
    ...(url && { url: new URL(url).href }),
    ...(actions && { actions: [...new Set(actions)] }),
    ...(typeof active === 'boolean' && { active }),
    ...(secret && { secret: sealer.seal(secret, webhookContext(id, project)) }),
  }
}

async function validate(egress: Egress, { url, actions, secret }: WebhookInput): Promise<void> {
  const faults: FieldError[] = []
  const fault = (field: keyof WebhookInput, message: string | undefined) => {
    if (message) faults.push({ path: `input.${field}`, message })
  }
  if (typeof url === 'string') fault('url', await faultOfUrl(egress, url))
  if (actions?.length === 0) fault('actions', 'name at least one action')
  if (typeof secret === 'string') fault('secret', faultOfSecret(secret))
  if (faults.length > 0) throw new ValidationError(faults)
}

async function faultOfUrl(egress: Egress, text: string): Promise<string | undefined> {
  if (!URL.canParse(text)) return 'must be an http:// or https:// URL'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be an http:// or https:// URL'
  if (url.username || url.password) return 'must not hold a user name or password; check the signature instead'
  if (text.length > maxUrlLength) return `has more than ${maxUrlLength} characters`
  try {
    await egress.allow([targetOf(url)])
  } catch (error) {
    if (error instanceof SluiceError) return error.message
    throw error
  }
  return undefined
}
