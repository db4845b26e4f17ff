import { createSecretKey, randomBytes } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose'
import { sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import { inBatches } from '../batch.ts'
import { NotFoundError, SluiceError, ValidationError, WrongTokenError } from '../errors.ts'
import type { Sealer } from '../security/seal.ts'
import { execute } from '../sql.ts'
import type { Authenticator, Folder, Viewer } from './tokens.ts'

/** A token for URLs, and its expiry. */
export interface MediaToken {
  token: string
  expiresAt: Date
}

/** Short-lived tokens for the objects of one project, for clients that cannot send headers: `<img>`, `<video>`, notebooks, models. */
export interface MediaTokens {
  /**
   * Issues a token that reads the project's objects as the viewer; with `folder`, only the files of that folder. Its expiry is
   * rounded up to a quarter of its lifetime, so that the same token, and so the same URLs for the browser's cache, is returned
   * within that time. @throws NotFoundError if the project does not exist; ValidationError for a lifetime out of bounds
   */
  issue(viewer: Viewer, options: { project: number; ttlSeconds: number; folder?: Folder }): Promise<MediaToken>
  /**
   * The viewer of a token of this kind, with access to its project or folder only. `keyOf` returns the encrypted key of a project,
   * possibly from a cache; before a token is refused the key is read again.
   * @throws WrongTokenError if the token is malformed, of the other kind, or its signature does not match; SluiceError UNAUTHENTICATED
   * if it has expired or the API token that issued it was revoked
   */
  authenticate(
    token: string,
    keyOf: (project: number) => Promise<string | null | undefined>,
    kind: MediaTokenKind,
  ): Promise<Viewer>
  /** Revokes all tokens of a project at once. @throws NotFoundError */
  rotate(project: number): Promise<void>
}

/** What a token opens: resolve links of a project, or links to the files of a folder. */
export type MediaTokenKind = 'PROJECT' | 'FOLDER'

/** Default and maximum lifetime of a token, in seconds. */
export const mediaTokenLifetime = { normal: 3_600, most: 86_400 }

/**
 * Tokens are JWTs (RFC 7519) signed with HS256 by a key of their project, which is encrypted in the database. Their audience says what
 * they open, so that a token of one kind is never valid as another.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods share the keys, and each is short
export function createMediaTokens(deps: {
  em: EntityManager
  sealer: Sealer
  getViewer: Authenticator['getViewer']
}): MediaTokens {
  const { em, sealer, getViewer } = deps
  const known = new LRUCache<string, Claims>({ max: 10_000 })

  const contextOf = (project: number) => `media-key:${project}`
  const unseal = (sealed: string, project: number) =>
    createSecretKey(sealer.unseal(sealed, contextOf(project)), 'base64url')
  const newKey = (project: number) => sealer.seal(randomBytes(32).toString('base64url'), contextOf(project))

  const currentKey = inBatches(async (projects: number[]) => {
    const rows = await execute<{ id: string; media_key: string }>(
      em,
      sql`select id, media_key from project where id = any(${projects}::bigint[]) and media_key is not null`,
    )
    return new Map(rows.map(({ id, media_key }) => [Number(id), media_key]))
  })

  /** Returns the encrypted key of a project, and creates one if the project has none. */
  const keyFor = async (project: number): Promise<string> => {
    const existing = await currentKey(project)
    if (existing) return existing
    // Two processes that create one at the same time use the same key.
    const [created] = await execute<{ media_key: string }>(
      em,
      sql`update project set media_key = coalesce(media_key, ${newKey(project)}) where id = ${project} returning media_key`,
    )
    if (!created) throw new NotFoundError('There is no such project.')
    return created.media_key
  }

  const read = (token: string): Claims => {
    const claims = claimsOf(token)
    known.set(token, claims)
    return claims
  }

  // A verified signature stays valid as long as the key, which is looked up every time.
  const check = async (token: string, claims: Claims, sealed: string): Promise<'VALID' | 'EXPIRED' | 'WRONG'> => {
    if (claims.signedBy === sealed) return claims.endsAt > Date.now() ? 'VALID' : 'EXPIRED'
    // The signature is compared in constant time (Web Cryptography, HMAC verify), and before the expiry is looked at.
    const result = await jwtVerify(token, unseal(sealed, claims.project), {
      algorithms: ['HS256'],
      audience: audienceOf(claims.project, claims.folder),
      requiredClaims: ['sub', 'exp'],
    }).then(
      () => 'VALID' as const,
      (error) => (error instanceof errors.JWTExpired ? ('EXPIRED' as const) : ('WRONG' as const)),
    )
    if (result !== 'WRONG') claims.signedBy = sealed
    return result
  }

  return {
    async issue(viewer, { project, ttlSeconds, folder }) {
      if (!(ttlSeconds >= 1 && ttlSeconds <= mediaTokenLifetime.most)) {
        const message = `must be from 1 to ${mediaTokenLifetime.most}`
        throw new ValidationError([{ path: 'input.ttlSeconds', message }])
      }
      const key = await keyFor(project)
      const step = Math.max(1, Math.floor(ttlSeconds / 4))
      const end = Math.ceil((Date.now() / 1000 + ttlSeconds) / step) * step
      const token = await new SignJWT(folder && { sto: folder.storage, dir: folder.path })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(viewer.id)
        .setAudience(audienceOf(project, folder))
        .setExpirationTime(end)
        .sign(unseal(key, project))
      return { token, expiresAt: new Date(end * 1000) }
    },

    async authenticate(token, keyOf, kind) {
      const claims = known.get(token) ?? read(token)
      const { project, viewer, folder } = claims
      if ((folder ? 'FOLDER' : 'PROJECT') !== kind) return refuse()
      // Both run at the same time; the result counts only if the signature is valid.
      const viewerLookup = getViewer(viewer)
      viewerLookup.catch(() => {})
      const sealed = await keyOf(project)
      let result = sealed ? await check(token, claims, sealed) : 'WRONG'
      if (result === 'WRONG') {
        const current = await currentKey(project)
        if (current && current !== sealed) result = await check(token, claims, current)
      }
      if (result === 'WRONG') return refuse()
      // An expired link is not a guess.
      if (result === 'EXPIRED') throw new SluiceError('UNAUTHENTICATED', notValid)
      return { ...(await viewerLookup), onlyProject: project, ...(folder && { onlyFolder: folder }) }
    },

    async rotate(project) {
      const rows = await execute(
        em,
        sql`update project set media_key = ${newKey(project)} where id = ${project} returning id`,
      )
      if (rows.length === 0) throw new NotFoundError('There is no such project.')
    },
  }
}

/** The claims of a token. They are untrusted until the signature is verified. */
interface Claims {
  project: number
  viewer: string
  /** Absent: the token opens the whole project. */
  folder?: Folder
  /** Milliseconds since 1970. */
  endsAt: number
  /** The encrypted key that signs it. */
  signedBy?: string
}

const audienceOf = (project: number, folder: Folder | undefined) => `${folder ? 'files' : 'media'}:${project}`

function claimsOf(token: string): Claims {
  try {
    const { aud, sub, exp, sto, dir } = decodeJwt(token)
    const [, kind, project] = /^(media|files):([1-9]\d{0,14})$/.exec(String(aud)) ?? []
    if (kind !== undefined && sub !== undefined && exp !== undefined) {
      const claims = { project: Number(project), viewer: sub, endsAt: exp * 1000 }
      if (kind === 'media') return claims
      if (typeof sto === 'number' && typeof dir === 'string') return { ...claims, folder: { storage: sto, path: dir } }
    }
  } catch {}
  return refuse()
}

const notValid = 'The media token is invalid or has expired.'

function refuse(): never {
  throw new WrongTokenError(notValid)
}
