import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

// A player requests many ranges of one version. Compared with reading a range, a hash is not cheap.
const known = new LRUCache<string, string>({ max: 1_000 })

/**
 * The entity tag that a viewer gets: strong if the storage's tag is strong (RFC 9110 §8.8.1), and different for each `access`, so that
 * a cached response is not reused with another permission. Null if the storage has no versions.
 */
export function etagFor(objectEtag: string | null, access: string): string | null {
  if (objectEtag === null) return null
  const name = `${access}\0${objectEtag}`
  const made = known.get(name)
  if (made) return made
  const mark = hash('sha256', name, 'base64url').slice(0, 27)
  const etag = `${objectEtag.startsWith('W/') ? 'W/' : ''}"${mark}"`
  known.set(name, etag)
  return etag
}
