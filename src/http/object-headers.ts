import { contentTypeOf } from '../providers/content-type.ts'
import type { ObjectHead } from '../providers/provider.ts'
import { classifyType, type EmbeddableBy, isolation, type ServedType } from './isolation.ts'

interface HeaderOptions {
  /** The ETag as the viewer sees it. */
  etag: string | null
  key: string
  cacheSeconds: number
  vary: string
  embeddableBy: EmbeddableBy
}

/** Cache: the last headers of each object, with the options that they were built from. */
const cached = new WeakMap<ObjectHead, HeaderOptions & { headers: readonly string[] }>()

/**
 * The headers of every response about an object, whichever part is sent (RFC 9110 §8, §13, RFC 9111 §5.2). Names and values
 * alternate; the content type comes first.
 */
export function objectHeaders(object: ObjectHead, options: HeaderOptions): readonly string[] {
  const known = cached.get(object)
  const { etag, key, cacheSeconds, vary, embeddableBy } = options
  if (
    known?.etag === etag &&
    known.key === key &&
    known.cacheSeconds === cacheSeconds &&
    known.vary === vary &&
    known.embeddableBy === embeddableBy
  ) {
    return known.headers
  }
  const { type, isHarmless } = servedType(object.contentType, key)
  const headers = Object.entries({
    'Content-Type': type,
    'Accept-Ranges': 'bytes',
    // Objects that are stored compressed are sent compressed, and ranges refer to the compressed bytes (RFC 9110 §14.1).
    ...(/^[\w-]+(, [\w-]+)*$/.test(object.contentEncoding ?? '') && { 'Content-Encoding': object.contentEncoding! }),
    'Cache-Control': `private, max-age=${cacheSeconds}, must-revalidate`,
    'X-Content-Type-Options': 'nosniff',
    // The URL may contain a media token.
    'Referrer-Policy': 'no-referrer',
    ...(etag !== null && { ETag: etag }),
    ...(object.lastModified && { 'Last-Modified': object.lastModified.toUTCString() }),
    ...(!isHarmless && { 'Content-Security-Policy': isolation }),
    'Cross-Origin-Resource-Policy': embeddableBy,
    Vary: vary,
  }).flat()
  cached.set(object, { etag, key, cacheSeconds, vary, embeddableBy, headers })
  return headers
}

const unknownType: ServedType = { type: 'application/octet-stream', isHarmless: false }

/** The type of the object. If it is missing, generic or invalid, the extension of the key decides. */
function servedType(given: string | null, key: string): ServedType {
  const own = given ? classifyType(given) : null
  if (own && !/^(application|binary)\/octet-stream/i.test(given!)) return own
  const guessed = contentTypeOf(key)
  return (guessed && classifyType(guessed)) || own || unknownType
}
