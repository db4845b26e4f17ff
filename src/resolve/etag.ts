import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

// A player asks for one version over and over, a range at a time: beside reading one, a hash is not cheap.
const known = new LRUCache<string, string>({ max: 1_000 })

/**
 * The entity tag under which a viewer knows a version of an object: strong if the storage's own is (RFC 9110 §8.8.1), and
 * another one for every `access`, so that what was cached with one permission is not taken for valid with another. Null
 * where the storage keeps no versions.
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
