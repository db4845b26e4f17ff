import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { inBatches } from '../batch.ts'
import { NotFoundError, SluiceError, ValidationError, WrongTokenError } from '../errors.ts'
import type { Sealer } from '../security/seal.ts'
import { sql } from '../sql.ts'
import type { Authenticator, Viewer } from './tokens.ts'

/** A token that stands in a URL, and when it ends. */
export interface MediaToken {
  token: string
  expiresAt: Date
}

/** Short-lived keys to the objects of one project, for what cannot send headers: `<img>`, `<video>`, notebooks, models. */
export interface MediaTokens {
  /**
   * Makes a token that reads the project's objects in the viewer's name. Its end is rounded up to a quarter of its life, so
   * that within that time the same token comes again, and with it URLs that browsers have cached.
   * @throws NotFoundError when there is no such project; ValidationError for a life out of bounds.
   */
  issue(viewer: Viewer, options: { project: number; ttlSeconds: number }): Promise<MediaToken>
  /**
   * Whom a token stands for, with access to its project only. `keyOf` gives the sealed key of a project, which may be one that
   * it remembers: before a token is refused the key is read anew.
   * @throws WrongTokenError when it is malformed, or its project's key does not fit; SluiceError UNAUTHENTICATED when it is over, or
   * its maker was revoked.
   */
  enter(token: string, keyOf: (project: number) => Promise<string | null | undefined>): Promise<Viewer>
  /** Ends all tokens of a project at once. @throws NotFoundError */
  rotate(project: number): Promise<void>
}

/** Seconds that a token lives unless asked otherwise, and may live at most. */
export const mediaTokenSeconds = { normal: 3_600, most: 86_400 }

/** Tokens are JWTs (RFC 7519) signed with HS256 by a key of their project, which the database holds sealed. */
export function createMediaTokens(parts: {
  em: EntityManager
  sealer: Sealer
  recall: Authenticator['recall']
}): MediaTokens {
  const { em, sealer, recall } = parts
  const keys = new LRUCache<string, KeyObject>({ max: 1_000 })
  const known = new LRUCache<string, Claims>({ max: 10_000 })

  const contextOf = (project: number) => `media-key:${project}`
  const unseal = (sealed: string, project: number) => {
    const key = keys.get(sealed) ?? createSecretKey(sealer.unseal(sealed, contextOf(project)), 'base64url')
    keys.set(sealed, key)
    return key
  }
  const newKey = (project: number) => sealer.seal(randomBytes(32).toString('base64url'), contextOf(project))

  const keyNow = inBatches(async (projects: number[]) => {
    const text = 'select id, media_key from project where id = any($1::bigint[]) and media_key is not null'
    const rows = await sql<{ id: string; media_key: string }>(em, text, [projects])
    return new Map(rows.map(({ id, media_key }) => [Number(id), media_key]))
  })

  /** The sealed key of a project, made when there is none. */
  const keyFor = async (project: number): Promise<string> => {
    const kept = await keyNow(project)
    if (kept) return kept
    // Two at once agree on one.
    const [made] = await sql<{ media_key: string }>(
      em,
      'update project set media_key = coalesce(media_key, $2) where id = $1 returning media_key',
      [project, newKey(project)],
    )
    if (!made) throw new NotFoundError('There is no such project.')
    return made.media_key
  }

  const read = (token: string): Claims => {
    const claims = claimsOf(token)
    known.set(token, claims)
    return claims
  }

  // A signature that was found right stays so as long as its key does, which is looked up every time.
  const check = async (token: string, claims: Claims, sealed: string): Promise<'VALID' | 'EXPIRED' | 'WRONG'> => {
    if (claims.signedBy === sealed) return claims.endsAt > Date.now() ? 'VALID' : 'EXPIRED'
    // The signature is compared in constant time (Web Cryptography, HMAC verify), and before the expiry is looked at.
    const verdict = await jwtVerify(token, unseal(sealed, claims.project), {
      algorithms: ['HS256'],
      audience: `media:${claims.project}`,
      requiredClaims: ['sub', 'exp'],
    }).then(
      () => 'VALID' as const,
      (error) => (error instanceof errors.JWTExpired ? ('EXPIRED' as const) : ('WRONG' as const)),
    )
    if (verdict !== 'WRONG') claims.signedBy = sealed
    return verdict
  }

  return {
    async issue(viewer, { project, ttlSeconds }) {
      if (!(ttlSeconds >= 1 && ttlSeconds <= mediaTokenSeconds.most)) {
        const message = `must be from 1 to ${mediaTokenSeconds.most}`
        throw new ValidationError([{ path: 'input.ttlSeconds', message }])
      }
      const key = await keyFor(project)
      const step = Math.max(1, Math.floor(ttlSeconds / 4))
      const end = Math.ceil((Date.now() / 1000 + ttlSeconds) / step) * step
      const token = await new SignJWT()
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(viewer.id)
        .setAudience(`media:${project}`)
        .setExpirationTime(end)
        .sign(unseal(key, project))
      return { token, expiresAt: new Date(end * 1000) }
    },

    async enter(token, keyOf) {
      const claims = known.get(token) ?? read(token)
      const { project, viewer } = claims
      // Both at the same time; the answer counts only if the signature does.
      const recalled = recall(viewer)
      recalled.catch(() => {})
      const sealed = await keyOf(project)
      let verdict = sealed ? await check(token, claims, sealed) : 'WRONG'
      if (verdict === 'WRONG') {
        const now = await keyNow(project)
        if (now && now !== sealed) verdict = await check(token, claims, now)
      }
      if (verdict === 'WRONG') return refuse()
      // An old link is no guess.
      if (verdict === 'EXPIRED') throw new SluiceError('UNAUTHENTICATED', notValid)
      return { ...(await recalled), onlyProject: project }
    },

    async rotate(project) {
      const rows = await sql(em, 'update project set media_key = $2 where id = $1 returning id', [
        project,
        newKey(project),
      ])
      if (rows.length === 0) throw new NotFoundError('There is no such project.')
    },
  }
}

/** What a token says, which is nothing before it is known that it was signed. */
interface Claims {
  project: number
  viewer: string
  /** Milliseconds since 1970. */
  endsAt: number
  /** The sealed key by which it is signed. */
  signedBy?: string
}

function claimsOf(token: string): Claims {
  try {
    const { aud, sub, exp } = decodeJwt(token)
    const project = /^media:([1-9]\d{0,14})$/.exec(String(aud))?.[1]
    if (project !== undefined && sub !== undefined && exp !== undefined) {
      return { project: Number(project), viewer: sub, endsAt: exp * 1000 }
    }
  } catch {}
  return refuse()
}

const notValid = 'The media token is not valid, or no longer.'

function refuse(): never {
  throw new WrongTokenError(notValid)
}
