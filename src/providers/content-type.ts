import { Mime } from 'mime'
import otherTypes from 'mime/types/other.js'
import standardTypes from 'mime/types/standard.js'

/**
 * Types with their extensions, as registered with IANA or, for `ply` and `pcd`, which are not registered, as programs write them.
 * `ts` is an MPEG transport stream, as browsers need it, and not TypeScript, which no viewer opens by a link.
 */
const mime = new Mime(standardTypes, otherTypes).define({
  'application/vnd.las': ['las'],
  'application/vnd.laszip': ['laz'],
  'application/x-pcd': ['pcd'],
  'application/xml': ['dzi'],
  'audio/mp4': ['cmfa'],
  'model/e57': ['e57'],
  'model/ply': ['ply'],
  'video/mp4': ['cmfv'],
})

/** The content type for the extension of a key. Undefined if the extension is unknown. */
export function contentTypeOf(key: string): string | undefined {
  return mime.getType(key) ?? undefined
}
