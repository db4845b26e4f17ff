import { createApiToken, revokeApiToken } from '../access/tokens.ts'
import type { ApiToken } from '../entities/api-token.ts'
import { ApiTokenEntity } from '../entities/api-token.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'

const ApiTokenRef = builder.objectRef<ApiToken>('ApiToken')

builder.node(ApiTokenRef, {
  description: 'A token that gives access to this API. Sluice stores only a hash of it.',
  id: { resolve: (token) => token.id },
  loadWithoutCache: (id, { em }) => em.fork().findOne(ApiTokenEntity, Number(id)),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the token, for people.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the token was created.' }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the token was revoked. Null if the token is valid.',
    }),
  }),
})

const NewTokenRef = builder.objectRef<{ row: ApiToken; token: string }>('NewApiToken').implement({
  description: 'A new API token with its secret text.',
  fields: (t) => ({
    token: t.exposeString('token', {
      description: 'Text of the token, for the header `Authorization: Bearer <token>`. No later query returns it.',
    }),
    apiToken: t.expose('row', { type: ApiTokenRef, description: 'The token as later queries return it.' }),
  }),
})

const ViewerRef = builder.objectRef<{ name: string }>('Viewer').implement({
  description: 'The client that sends the request.',
  fields: (t) => ({ name: t.exposeString('name', { description: 'Name of the API token in the request.' }) }),
})

builder.queryFields((t) => ({
  viewer: t.field({
    type: ViewerRef,
    description: 'The client that sends the request.',
    resolve: (_root, _args, { viewer }) => viewer,
  }),
}))

builder.mutationFields((t) => ({
  createApiToken: t.field({
    type: NewTokenRef,
    description: 'Creates an API token, for example for a script or a web page.',
    errors: { types: [ValidationError], dataField: { name: 'newToken', description: 'The new token with its text.' } },
    args: {
      name: t.arg.string({ required: true, description: 'Name of the token, for people. It must not be empty.' }),
    },
    resolve: (_root, { name }, { em }) => {
      if (!name.trim()) throw new ValidationError([{ path: 'name', message: 'must not be empty' }])
      return createApiToken(em, name.trim())
    },
  }),
  revokeApiToken: t.field({
    type: ApiTokenRef,
    description:
      'Revokes an API token: the server refuses it from now on. Its subscriptions end, and media tokens that it created become invalid.',
    errors: { types: [NotFoundError], dataField: { name: 'apiToken', description: 'The revoked token.' } },
    args: { id: t.arg.id({ required: true, description: 'Global id of the token.' }) },
    resolve: (_root, { id }, { em }) => revokeApiToken(em, idOf('ApiToken', id)),
  }),
}))
