import type { OutgoingHttpHeaders } from 'node:http'
import { contentTypeOf } from '../providers/content-type.ts'
import type { ObjectHead } from '../providers/provider.ts'

/** Types that browsers run or that can hold what they run. */
const activeContent = /html|svg|xml|xsl/i

/** The headers of an answer about an object, whatever part of it is sent (RFC 9110 §8, §13, RFC 9111 §5.2). */
export function objectHeaders(
  object: ObjectHead,
  { etag, key, cacheSeconds }: { etag: string | null; key: string; cacheSeconds: number },
): OutgoingHttpHeaders {
  const type = contentType(object.contentType, key)
  return {
    'Content-Type': type,
    'Accept-Ranges': 'bytes',
    // What is stored compressed is sent so, and its ranges are of that (RFC 9110 §14.1).
    ...(/^[\w-]+(, [\w-]+)*$/.test(object.contentEncoding ?? '') && { 'Content-Encoding': object.contentEncoding }),
    'Cache-Control': `private, max-age=${cacheSeconds}, must-revalidate`,
    'X-Content-Type-Options': 'nosniff',
    // The URL may hold a media token.
    'Referrer-Policy': 'no-referrer',
    ...(etag !== null && { ETag: etag }),
    ...(object.lastModified && { 'Last-Modified': object.lastModified.toUTCString() }),
    ...(activeContent.test(type) && { 'Content-Security-Policy': 'sandbox' }),
  }
}

/** The object's own type; that of the key's extension when it has none that says anything, or one no header can hold. */
function contentType(given: string | null, key: string): string {
  const own = given && /^[\w.+-]+\/[\w.+-]+\s*(;[\x20-\x7e]*)?$/.test(given) ? given : undefined
  const generic = !own || /^(application|binary)\/octet-stream/i.test(own)
  return (generic && contentTypeOf(key)) || own || 'application/octet-stream'
}
