import { contentTypeOf } from '../providers/content-type.ts'
import type { ObjectHead } from '../providers/provider.ts'

/** Types that browsers run or that can hold what they run. */
const activeContent = /html|svg|xml|xsl/i

interface Asked {
  /** The viewer's. */
  etag: string | null
  key: string
  cacheSeconds: number
  vary: string
}

/** What was said of an object last, and to what. */
const said = new WeakMap<ObjectHead, Asked & { headers: readonly string[] }>()

/**
 * The headers of an answer about an object, whatever part of it is sent (RFC 9110 §8, §13, RFC 9111 §5.2): names and values in
 * turn, the content type first.
 */
export function objectHeaders(object: ObjectHead, asked: Asked): readonly string[] {
  const known = said.get(object)
  const { etag, key, cacheSeconds, vary } = asked
  if (known?.etag === etag && known.key === key && known.cacheSeconds === cacheSeconds && known.vary === vary) {
    return known.headers
  }
  const type = contentType(object.contentType, key)
  const headers = Object.entries({
    'Content-Type': type,
    'Accept-Ranges': 'bytes',
    // What is stored compressed is sent so, and its ranges are of that (RFC 9110 §14.1).
    ...(/^[\w-]+(, [\w-]+)*$/.test(object.contentEncoding ?? '') && { 'Content-Encoding': object.contentEncoding! }),
    'Cache-Control': `private, max-age=${cacheSeconds}, must-revalidate`,
    'X-Content-Type-Options': 'nosniff',
    // The URL may hold a media token.
    'Referrer-Policy': 'no-referrer',
    ...(etag !== null && { ETag: etag }),
    ...(object.lastModified && { 'Last-Modified': object.lastModified.toUTCString() }),
    ...(activeContent.test(type) && { 'Content-Security-Policy': 'sandbox' }),
    Vary: vary,
  }).flat()
  said.set(object, { etag, key, cacheSeconds, vary, headers })
  return headers
}

/** The object's own type; that of the key's extension when it has none that says anything, or one no header can hold. */
function contentType(given: string | null, key: string): string {
  const own = given && /^[\w.+-]+\/[\w.+-]+\s*(;[\x20-\x7e]*)?$/.test(given) ? given : undefined
  const generic = !own || /^(application|binary)\/octet-stream/i.test(own)
  return (generic && contentTypeOf(key)) || own || 'application/octet-stream'
}
