import { createApiToken, revokeApiToken } from '../auth/tokens.ts'
import type { ApiToken } from '../entities/api-token.ts'
import { ApiTokenEntity } from '../entities/api-token.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { builder } from './builder.ts'
import { idOf } from './ids.ts'

const ApiTokenRef = builder.objectRef<ApiToken>('ApiToken')

builder.node(ApiTokenRef, {
  description: 'A key to this API.',
  id: { resolve: (token) => token.id },
  loadWithoutCache: (id, { em }) => em.fork().findOne(ApiTokenEntity, Number(id)),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What it is for.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked; null = it is valid.',
    }),
  }),
})

const NewTokenRef = builder.objectRef<{ row: ApiToken; token: string }>('NewApiToken').implement({
  description: 'A token that was just made.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'Its text; shown only this once.' }),
    apiToken: t.expose('row', { type: ApiTokenRef, description: 'What is kept of it.' }),
  }),
})

const ViewerRef = builder.objectRef<{ name: string }>('Viewer').implement({
  description: 'Who is asking.',
  fields: (t) => ({ name: t.exposeString('name', { description: 'Name of the token that was sent.' }) }),
})

builder.queryFields((t) => ({
  viewer: t.field({ type: ViewerRef, description: 'Who is asking.', resolve: (_root, _args, { viewer }) => viewer }),
}))

builder.mutationFields((t) => ({
  createApiToken: t.field({
    type: NewTokenRef,
    description: 'Makes a token for a script or a frontend.',
    errors: { types: [ValidationError], dataField: { name: 'newToken', description: 'The token with its text.' } },
    args: { name: t.arg.string({ required: true, description: 'What it is for; not empty.' }) },
    resolve: (_root, { name }, { em }) => {
      if (!name.trim()) throw new ValidationError([{ path: 'name', message: 'must not be empty' }])
      return createApiToken(em, name.trim())
    },
  }),
  revokeApiToken: t.field({
    type: ApiTokenRef,
    description: 'Ends the life of a token at once.',
    errors: { types: [NotFoundError], dataField: { name: 'apiToken', description: 'The token as it is now.' } },
    args: { id: t.arg.id({ required: true, description: 'Global id of the token.' }) },
    resolve: (_root, { id }, { em }) => revokeApiToken(em, idOf('ApiToken', id)),
  }),
}))
