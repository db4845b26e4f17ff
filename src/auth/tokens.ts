import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { type ApiToken, ApiTokenEntity } from '../entities/api-token.ts'
import { NotFoundError, SluiceError } from '../errors.ts'

/** Who is asking. For now every valid token is an administrator's. */
export interface Viewer {
  /** Name of the token. */
  name: string
}

const digest = (token: string) => createHash('sha256').update(token).digest('hex')

/** Makes a token. Its text is returned once and kept nowhere. */
export async function createApiToken(em: EntityManager, name: string): Promise<{ row: ApiToken; token: string }> {
  const token = `slc_${randomBytes(24).toString('base64url')}`
  const row = em.fork().create(ApiTokenEntity, { name, hash: digest(token) } as ApiToken)
  await em.fork().persist(row).flush()
  return { row, token }
}

/** Ends a token's life. @throws NotFoundError when there is no such token. */
export async function revokeApiToken(em: EntityManager, id: number): Promise<ApiToken> {
  const fork = em.fork()
  const row = await fork.findOne(ApiTokenEntity, id)
  if (!row) throw new NotFoundError('There is no such token.')
  row.revokedAt ??= new Date()
  await fork.flush()
  return row
}

/** The first token of a fresh database; undefined when there is one already, or `adminToken` takes its place. */
export async function createFirstToken(em: EntityManager, adminToken: string | undefined): Promise<string | undefined> {
  if (adminToken !== undefined || (await em.fork().count(ApiTokenEntity)) > 0) return undefined
  return (await createApiToken(em, 'admin')).token
}

/**
 * Who the value of an `Authorization` header stands for (RFC 6750 §2.1).
 * @throws SluiceError UNAUTHENTICATED when it is absent, malformed, unknown or revoked.
 */
export async function authenticate(
  em: EntityManager,
  adminToken: string | undefined,
  authorization: string | null | undefined,
): Promise<Viewer> {
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) throw new SluiceError('UNAUTHENTICATED')
  const hash = digest(token)
  if (adminToken !== undefined && timingSafeEqual(Buffer.from(hash), Buffer.from(digest(adminToken)))) {
    return { name: 'admin' }
  }
  const row = await em.fork().findOne(ApiTokenEntity, { hash, revokedAt: null })
  if (!row) throw new SluiceError('UNAUTHENTICATED', 'The API token is unknown or was revoked.')
  return { name: row.name }
}
