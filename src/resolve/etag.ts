import { hash } from 'node:crypto'

/**
 * The entity tag under which a viewer knows a version of an object: strong if the storage's own is (RFC 9110 §8.8.1), and
 * another one for every `access`, so that what was cached with one permission is not taken for valid with another. Null
 * where the storage keeps no versions.
 */
export function etagFor(objectEtag: string | null, access: string): string | null {
  if (objectEtag === null) return null
  const mark = hash('sha256', `${access}\0${objectEtag}`, 'base64url').slice(0, 27)
  return `${objectEtag.startsWith('W/') ? 'W/' : ''}"${mark}"`
}
