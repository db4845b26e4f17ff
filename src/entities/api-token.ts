import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

/** An API token. The database stores only its SHA-256. */
export const ApiTokenEntity = defineEntity({
  name: 'ApiToken',
  tableName: 'api_token',
  properties: {
    id: p.bigint('number').primary(),
    name: p.text(),
    hash: p.text().unique(),
    createdAt: p.datetime().defaultRaw('now()'),
    revokedAt: p.datetime().nullable(),
  },
})

export type ApiToken = InferEntity<typeof ApiTokenEntity>
