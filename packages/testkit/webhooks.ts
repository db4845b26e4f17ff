import type { GraphqlClient } from './client.ts'
import { errorFields } from './errors.ts'
import { until } from './sql.ts'

const allActions = ['TASKS_CREATED', 'SYNC_STARTED', 'SYNC_COMPLETED', 'SYNC_FAILED', 'SYNC_CANCELED', 'EXPORT_FAILED']

export const webhookFields = 'id databaseId url actions active createdAt updatedAt project { id }'
export const deliveryFields = `id databaseId messageId type status attempts nextAttemptAt attemptedAt responseStatus
  responseBody error createdAt deliveredAt payload webhook { id }`

/** Creates a webhook and returns the answer: `{ newWebhook: { secret, webhook } }` or an error as data. */
export async function createWebhook(client: GraphqlClient, input: Record<string, unknown>) {
  const { createWebhook: made } = await client.request(
    `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) {
      ... on CreateWebhookSuccess { newWebhook { secret webhook { ${webhookFields} } } } ${errorFields} } }`,
    { input: { actions: allActions, ...input } },
  )
  return made
}

/** Creates a webhook of a project, for all actions unless `input` names some. */
export async function tell(
  client: GraphqlClient,
  projectId: string,
  input: Record<string, unknown>,
): Promise<{ id: string; databaseId: number; secret: string }> {
  const { newWebhook, ...error } = await createWebhook(client, { projectId, ...input })
  if (!newWebhook) throw new Error(`The webhook was not created: ${JSON.stringify(error)}`)
  return { ...newWebhook.webhook, secret: newWebhook.secret }
}

/** Changes a webhook and returns the answer. */
export async function updateWebhook(client: GraphqlClient, input: Record<string, unknown>) {
  const { updateWebhook: changed } = await client.request(
    `mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) {
      ... on UpdateWebhookSuccess { webhook { ${webhookFields} } } ${errorFields} } }`,
    { input },
  )
  return changed
}

/** Sends a PING, or a message again, and returns the answer. */
export async function resend(client: GraphqlClient, mutation: 'testWebhook' | 'redeliverWebhook', id: string) {
  const [name, success] = [
    mutation === 'testWebhook' ? 'id' : 'deliveryId',
    mutation.replace(/^./, (c) => c.toUpperCase()),
  ]
  const { [mutation]: answer } = await client.request(
    `mutation ($id: ID!) { ${mutation}(${name}: $id) {
      ... on ${success}Success { delivery { ${deliveryFields} } } ... on Error { code message } } }`,
    { id },
  )
  return answer
}

/** The log of a webhook, oldest first. */
export async function deliveriesOf(client: GraphqlClient, id: string, status?: string) {
  const { node } = await client.request(
    `query ($id: ID!, $status: WebhookDeliveryStatus) { node(id: $id) { ... on Webhook {
      deliveries(first: 200, status: $status) { totalCount edges { node { ${deliveryFields} } } } } } }`,
    { id, status },
  )
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
  return node.deliveries.edges.map((edge: any) => edge.node).reverse()
}

/** Waits until the log of a webhook fulfils a condition, and returns it. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
export async function logged(client: GraphqlClient, id: string, condition: (log: any[]) => boolean): Promise<any[]> {
  return until(async () => {
    const log = await deliveriesOf(client, id)
    return condition(log) && log
  })
}

/** All messages of the log that were delivered, once there are `count` of them. */
export const delivered = (count: number) => (log: { status: string }[]) =>
  log.filter(({ status }) => status === 'DELIVERED').length >= count
