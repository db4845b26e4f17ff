import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { inBatches } from '../batch.ts'
import { type ApiToken, ApiTokenEntity } from '../entities/api-token.ts'
import { NotFoundError, SluiceError, WrongTokenError } from '../errors.ts'
import type { AccessCache } from '../events/access-cache.ts'
import { execute } from '../sql.ts'

/** The caller. For now every valid token has all rights. */
export interface Viewer {
  /** Identifies the viewer. It does not change during the lifetime of the token. */
  id: string
  /** Name of the token. */
  name: string
  /** The only project whose objects a media token opens. Absent: all projects. */
  onlyProject?: number
  /** The only folder whose files the token opens. Absent: all folders. */
  onlyFolder?: Folder
}

/** A folder of a storage. */
export interface Folder {
  /** Database id of the storage. */
  storage: number
  /** What its keys begin with: empty, or with `/` at its end. */
  path: string
}

/** The token in the value of an `Authorization` header (RFC 6750 §2.1); undefined if it is absent or malformed. */
export const bearerToken = (authorization: string | null | undefined): string | undefined =>
  /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]

const digest = (token: string) => createHash('sha256').update(token).digest('hex')

/** Creates a token. Its text is returned once and not stored. */
export async function createApiToken(em: EntityManager, name: string): Promise<{ row: ApiToken; token: string }> {
  const token = `slc_${randomBytes(24).toString('base64url')}`
  const row = em.fork().create(ApiTokenEntity, { name, hash: digest(token) })
  await em.fork().persist(row).flush()
  return { row, token }
}

/** Revokes a token. @throws NotFoundError if the token does not exist */
export async function revokeApiToken(em: EntityManager, id: number): Promise<ApiToken> {
  const fork = em.fork()
  const row = await fork.findOne(ApiTokenEntity, id)
  if (!row) throw new NotFoundError('There is no such token.')
  row.revokedAt ??= new Date()
  await fork.flush()
  return row
}

/** Creates the first token of a new database. Undefined if a token exists already, or if `adminToken` replaces it. */
export async function createFirstToken(em: EntityManager, adminToken: string | undefined): Promise<string | undefined> {
  if (adminToken !== undefined || (await em.fork().count(ApiTokenEntity)) > 0) return undefined
  return (await createApiToken(em, 'admin')).token
}

/**
 * Identifies the caller. Both methods reject with UNAUTHENTICATED, and `authenticate` with its subclass WrongTokenError if the
 * token is unknown. A revoked token is refused at once.
 */
export interface Authenticator {
  /** Returns the viewer of an `Authorization` header (RFC 6750 §2.1). Rejects if it is absent, malformed, unknown or revoked. */
  authenticate(authorization: string | null | undefined): Promise<Viewer>
  /** Returns the viewer with this id. Rejects if the token was revoked. */
  getViewer(id: string): Promise<Viewer>
}

/** Concurrent requests share one statement. `adminToken` is valid in addition to the tokens in the database. */
export function createAuthenticator(
  em: EntityManager,
  { adminToken, cached }: { adminToken: string | undefined; cached: AccessCache['cached'] },
): Authenticator {
  const adminHash = adminToken === undefined ? undefined : digest(adminToken)
  // The id depends on the token, so that media tokens of an older ADMIN_TOKEN become invalid.
  const admin = adminHash === undefined ? undefined : { id: `admin:${adminHash.slice(0, 16)}`, name: 'admin' }
  const load = inBatches(async (keys: string[]) => {
    const isHash = (key: string) => key.length > 16
    const rows = await execute<{ id: string; hash: string; name: string }>(
      em,
      sql`select id, hash, name from api_token
       where (hash = any(${keys.filter(isHash)}::text[]) or id = any(${keys.filter((key) => !isHash(key))}::bigint[]))
         and revoked_at is null`,
    )
    return new Map(
      rows.flatMap(({ id, hash, name }) => {
        const viewer = { id: `token:${id}`, name }
        return [[hash, viewer] as const, [id, viewer] as const]
      }),
    )
  })
  const find = cached(load, { max: 10_000 })
  const refused = 'The API token is unknown or was revoked.'
  return {
    async authenticate(authorization) {
      const token = bearerToken(authorization)
      if (token === undefined) throw new SluiceError('UNAUTHENTICATED')
      const hash = digest(token)
      if (admin && timingSafeEqual(Buffer.from(hash), Buffer.from(adminHash!))) return admin
      // The lookup uses the digest, which a guesser cannot choose, so its duration discloses nothing about tokens.
      const viewer = await find(hash)
      if (!viewer) throw new WrongTokenError(refused)
      return viewer
    },
    async getViewer(id) {
      if (admin && id === admin.id) return admin
      const number = /^token:([1-9]\d{0,14})$/.exec(id)?.[1]
      if (number === undefined) throw new SluiceError('UNAUTHENTICATED')
      const viewer = await find(number)
      if (!viewer) throw new SluiceError('UNAUTHENTICATED', refused)
      return viewer
    },
  }
}
