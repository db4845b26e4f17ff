import type { Webhook } from '../entities/webhook.ts'
import { type WebhookAction, WebhookEntity } from '../entities/webhook.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { createWebhook, deleteWebhook, updateWebhook } from '../webhooks/save.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'
import { pageById } from './page.ts'
import { ProjectRef, WebhookRef } from './refs.ts'

const WebhookActionRef = builder.enumType('WebhookAction', {
  description: 'What a webhook can be told of. The `type` of its messages.',
  values: {
    TASKS_CREATED: {
      description: 'A sync has created tasks: `taskIds` holds their global ids, up to 5,000 in one message.',
    },
    SYNC_STARTED: { description: 'A sync was taken up by a worker; once for each run.' },
    SYNC_COMPLETED: { description: 'A sync went through to its end; `run.status` tells whether some objects failed.' },
    SYNC_FAILED: { description: 'A sync could not finish; `run.failure` tells why.' },
    SYNC_CANCELED: { description: 'A sync was stopped on request.' },
  } satisfies Record<WebhookAction, { description: string }>,
})

builder.node(WebhookRef, {
  description: 'An address of a project that is told what happens in it, by signed POST requests (Standard Webhooks).',
  id: { resolve: (webhook) => webhook.id },
  loadWithoutCache: (id, { loaders }) => loaders.webhook.load(Number(id)),
  fields: (t) => ({
    databaseId: t.expose('id', { type: 'SafeInt', description: 'Its number.' }),
    project: t.field({
      type: ProjectRef,
      description: 'The project that it belongs to.',
      resolve: async ({ project }, _args, { loaders }) => (await loaders.project.load(project))!,
    }),
    url: t.exposeString('url', { description: 'Where messages are sent.' }),
    actions: t.expose('actions', { type: [WebhookActionRef], description: 'What it is told of.' }),
    active: t.exposeBoolean('active', {
      description: 'Whether it is told. One whose receiver answers 410 Gone is made inactive.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its settings were last changed.' }),
  }),
})

builder.objectField(ProjectRef, 'webhooks', (t) =>
  t.connection({
    type: WebhookRef,
    description: 'Its webhooks, newest first.',
    resolve: (project, args, { em }) => pageById(em, WebhookEntity, { project: project.id }, args),
  }),
)

const NewWebhookRef = builder.objectRef<{ webhook: Webhook; secret: string }>('NewWebhook').implement({
  description: 'A webhook that was just made.',
  fields: (t) => ({
    webhook: t.expose('webhook', { type: WebhookRef, description: 'The webhook.' }),
    secret: t.exposeString('secret', {
      description: 'Key of its signatures, as the libraries of Standard Webhooks take it; shown only this once.',
    }),
  }),
})

const fieldsOfSettings = {
  url: 'Where messages are sent: http or https, without user name and password.',
  actions: 'What it is told of; at least one.',
  secret: 'Key of its signatures: `whsec_` and the base64 of 24 to 64 random bytes.',
}

const CreateWebhookInput = builder.inputType('CreateWebhookInput', {
  description: 'A new webhook. It is told of what happens from now on.',
  fields: (t) => ({
    projectId: t.id({ required: true, description: 'Global id of the project.' }),
    url: t.string({ required: true, description: fieldsOfSettings.url }),
    actions: t.field({ type: [WebhookActionRef], required: true, description: fieldsOfSettings.actions }),
    active: t.boolean({ description: 'Whether it is told. Default: true.' }),
    secret: t.string({ description: `${fieldsOfSettings.secret} Default: a new one.` }),
  }),
})

const UpdateWebhookInput = builder.inputType('UpdateWebhookInput', {
  description: 'Changes to a webhook; what is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Global id of the webhook.' }),
    url: t.string({ description: `${fieldsOfSettings.url} Messages that are still to be sent go there, too.` }),
    actions: t.field({ type: [WebhookActionRef], description: fieldsOfSettings.actions }),
    active: t.boolean({
      description:
        'Whether it is told. What happens while it is not is never sent; what was to be sent before is when it is again.',
    }),
    secret: t.string({
      description: `${fieldsOfSettings.secret} All messages from now on are signed with it, and for 24 hours with the former one, too.`,
    }),
  }),
})

builder.mutationFields((t) => ({
  createWebhook: t.field({
    type: NewWebhookRef,
    description: 'Tells an address what happens in a project from now on.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'newWebhook', description: 'The webhook with its secret.' },
    },
    args: { input: t.arg({ type: CreateWebhookInput, required: true, description: 'The webhook.' }) },
    resolve: (_root, { input: { projectId, ...settings } }, { webhooks }) =>
      createWebhook(webhooks, idOf('Project', projectId), settings),
  }),
  updateWebhook: t.field({
    type: WebhookRef,
    description: 'Changes the settings of a webhook.',
    errors: {
      types: [ValidationError, NotFoundError],
      dataField: { name: 'webhook', description: 'The webhook as it is now.' },
    },
    args: { input: t.arg({ type: UpdateWebhookInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input: { id, ...changes } }, { webhooks }) =>
      updateWebhook(webhooks, idOf('Webhook', id), changes),
  }),
  deleteWebhook: t.field({
    type: 'ID',
    description: 'Deletes a webhook with the log of its deliveries; what was still to be sent is not.',
    errors: { types: [NotFoundError], dataField: { name: 'deletedId', description: 'Global id of what was deleted.' } },
    args: { id: t.arg.id({ required: true, description: 'Global id of the webhook.' }) },
    resolve: async (_root, { id }, { em }) => {
      await deleteWebhook(em, idOf('Webhook', id))
      return String(id)
    },
  }),
}))
