import type { Webhook } from '../entities/webhook.ts'
import { type WebhookAction, WebhookEntity } from '../entities/webhook.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { createWebhook, deleteWebhook, updateWebhook } from '../webhooks/save.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { pageById } from './page.ts'
import { ProjectRef, WebhookRef } from './refs.ts'

const WebhookActionRef = builder.enumType('WebhookAction', {
  description: 'An event that a webhook can receive. It is the `type` of the message.',
  values: {
    TASKS_CREATED: {
      description: 'An import created tasks. `taskIds` contains their global ids, at most 5,000 per message.',
    },
    SYNC_STARTED: { description: 'A worker started a sync. Sent once per run.' },
    SYNC_COMPLETED: {
      description: 'A sync completed. `run.status` is COMPLETED, or COMPLETED_WITH_ERRORS if some objects failed.',
    },
    SYNC_FAILED: { description: 'A sync failed. `run.failure` contains the reason.' },
    SYNC_CANCELED: { description: 'A client canceled a sync.' },
    EXPORT_FAILED: {
      description:
        'Sluice could not write or delete an object for a saved or deleted annotation, and no other pending export of the storage had failed. `failure` contains the reason. Sluice retries without sending the event again.',
    },
  } satisfies Record<WebhookAction, { description: string }>,
})

builder.node(WebhookRef, {
  description: 'An address that receives events of a project as signed POST requests (Standard Webhooks).',
  id: { resolve: (webhook) => webhook.id },
  loadWithoutCache: (id, { loaders }) => loaders.webhook.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Numeric id in the database.' }),
    project: t.field({
      type: ProjectRef,
      description: 'The project whose events the webhook receives.',
      resolve: async ({ project }, _args, { loaders }) => (await loaders.project.load(project))!,
    }),
    url: t.exposeString('url', { description: 'URL that receives the messages.' }),
    actions: t.expose('actions', { type: [WebhookActionRef], description: 'Events that the webhook receives.' }),
    active: t.exposeBoolean('active', {
      description:
        'Whether Sluice sends messages to the webhook. It becomes inactive when the receiver answers 410 Gone.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the webhook was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When the settings of the webhook last changed.',
    }),
  }),
})

builder.objectField(ProjectRef, 'webhooks', (t) =>
  t.connection({
    type: WebhookRef,
    description: 'Webhooks of the project, newest first.',
    resolve: (project, args, { em }) => pageById(em, WebhookEntity, { project: project.id }, args),
  }),
)

const NewWebhookRef = builder.objectRef<{ webhook: Webhook; secret: string }>('NewWebhook').implement({
  description: 'A new webhook with its secret.',
  fields: (t) => ({
    webhook: t.expose('webhook', { type: WebhookRef, description: 'The new webhook.' }),
    secret: t.exposeString('secret', {
      description:
        'Signing key of the webhook, in the form that the libraries of Standard Webhooks accept. No later query returns it.',
    }),
  }),
})

const fieldsOfSettings = {
  url: 'URL that receives the messages: http or https, without user name and password, at most 2,000 characters.',
  actions: 'Events that the webhook receives, at least one.',
  secret: 'Signing key: `whsec_` and the base64 form of 24 to 64 random bytes.',
}

const CreateWebhookInput = builder.inputType('CreateWebhookInput', {
  description: 'Settings of a new webhook.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    url: t.string({ required: true, description: fieldsOfSettings.url }),
    actions: t.field({ type: [WebhookActionRef], required: true, description: fieldsOfSettings.actions }),
    active: t.boolean({ description: 'Whether Sluice sends messages to the webhook. Default: true.' }),
    secret: t.string({ description: `${fieldsOfSettings.secret} Default: a new random key.` }),
  }),
})

const UpdateWebhookInput = builder.inputType('UpdateWebhookInput', {
  description: 'Changes to a webhook. Absent and null fields keep their value.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the webhook.' }),
    url: t.string({ description: `${fieldsOfSettings.url} Pending messages use the new URL, too.` }),
    actions: t.field({ type: [WebhookActionRef], description: fieldsOfSettings.actions }),
    active: t.boolean({
      description:
        'Whether Sluice sends messages to the webhook. Sluice never sends events that occur while the webhook is inactive. It sends older pending messages when the webhook becomes active again.',
    }),
    secret: t.string({
      description: `${fieldsOfSettings.secret} For 24 hours, Sluice signs each message with the former key, too.`,
    }),
  }),
})

builder.mutationFields((t) => ({
  createWebhook: t.field({
    type: NewWebhookRef,
    description: 'Creates a webhook. It receives events of the project that occur from now on.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'newWebhook', description: 'The new webhook with its secret.' },
    },
    args: { input: t.arg({ type: CreateWebhookInput, required: true, description: 'The webhook to create.' }) },
    resolve: (_root, { input: { projectId, ...settings } }, { webhooks }) =>
      createWebhook(webhooks, idOf('Project', projectId), settings),
  }),
  updateWebhook: t.field({
    type: WebhookRef,
    description: 'Changes the settings of a webhook.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'webhook', description: 'The webhook after the change.' },
    },
    args: { input: t.arg({ type: UpdateWebhookInput, required: true, description: 'The webhook and its changes.' }) },
    resolve: (_root, { input: { id, ...changes } }, { webhooks }) =>
      updateWebhook(webhooks, idOf('Webhook', id), changes),
  }),
  deleteWebhook: t.field({
    type: 'ID',
    description: 'Deletes a webhook with its deliveries. Sluice does not send pending messages.',
    errors: {
      types: [NotFoundError],
      dataField: { name: 'deletedId', description: 'Global id of the deleted webhook.' },
    },
    args: { id: t.arg.id({ required: true, description: 'Global id of the webhook.' }) },
    resolve: async (_root, { id }, { em }) => {
      await deleteWebhook(em, idOf('Webhook', id))
      return String(id)
    },
  }),
}))
