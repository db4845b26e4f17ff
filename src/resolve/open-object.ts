import type { LRUCache } from 'lru-cache'
import { SluiceError } from '../errors.ts'
import type { ByteRange, ObjectBody, ObjectHead, Provider } from '../providers/provider.ts'
import { allowsRange, type Conditions, evaluatePreconditions, hasPreconditions } from './conditions.ts'
import { etagFor } from './etag.ts'
import { boundRange, isSatisfiable } from './range.ts'

/** Cache of object metadata by storage version and key. */
export type HeadCache = LRUCache<string, ObjectHead>

/** The provider and key of an object. */
export interface ObjectSource {
  provider: Provider
  key: string
  heads: HeadCache
  /** Key of the object in `facts`. */
  name: string
}

/** What a viewer requests of an object. */
interface ObjectRequest {
  method: 'GET' | 'HEAD'
  ranges: ByteRange[] | undefined
  conditions: Conditions
  /** Most bytes of a part; `Infinity` for the whole range. */
  maxPartBytes: number
  /** The viewer's permission, on which entity tags depend. */
  access: string
  signal: AbortSignal
}

/** The opened object, or the status without a body. `etag` is the tag for the viewer. */
type ObjectAnswer =
  | { status: 200 | 206; object: ObjectHead; etag: string | null; opened: ObjectBody | undefined }
  | { status: 304 | 412 | 416; object: ObjectHead; etag: string | null; opened?: never }

/**
 * Opens an object as RFC 9110 requires: conditions first (§13.2), then the first satisfiable range (§14.2), up to the limit. A GET
 * without conditions costs one read. Conditions that can end the request need a HEAD first. A range uses cached metadata, which the
 * storage confirms by `ifMatch`, so each range of a player costs one read.
 * @throws SluiceError of the provider. The caller closes the body.
 */
export async function openObject(source: ObjectSource, request: ObjectRequest): Promise<ObjectAnswer> {
  const { provider, key, heads, name } = source
  const { method, conditions, access, signal } = request
  const ranges = method === 'GET' ? request.ranges : undefined

  const validators = (object: ObjectHead) => ({
    etag: etagFor(object.etag, access),
    lastModified: object.lastModified,
  })
  // Each entity tag costs a hash.
  const allows = (object: ObjectHead) =>
    conditions.ifRange === undefined || allowsRange(conditions.ifRange, validators(object))
  const fetchHead = async () => cacheHead(source, await provider.head(key, signal))
  const read = (range: ByteRange | undefined, ifMatch: string | null | undefined) =>
    provider.read(key, { range, signal, ifMatch: ifMatch ?? undefined })
  const withBody = (opened: ObjectBody): ObjectAnswer => ({
    status: opened.range ? 206 : 200,
    object: cacheHead(source, opened),
    etag: etagFor(opened.etag, access),
    opened,
  })
  const withoutBody = (status: 304 | 412 | 416, object: ObjectHead): ObjectAnswer => ({
    ...{ status, object },
    etag: etagFor(object.etag, access),
  })

  for (let isLast = false; ; isLast = true) {
    const needsHead = method === 'HEAD' || hasPreconditions(conditions)
    const known = needsHead ? await fetchHead() : isLast ? undefined : heads.get(name)
    if (known && needsHead) {
      const status = evaluatePreconditions(conditions, validators(known))
      if (status) return withoutBody(status, known)
      if (method === 'HEAD') {
        return { status: 200, object: known, etag: etagFor(known.etag, access), opened: undefined }
      }
    }
    try {
      const sendsRange = ranges && (known === undefined || allows(known))
      if (!sendsRange) return withBody(await read(undefined, needsHead ? known?.etag : undefined))
      // Cached metadata may show that a range exists, never that it does not.
      const pinsVersion =
        needsHead || (conditions.ifRange !== undefined && known && ranges.some((one) => isSatisfiable(one, known.size)))
      return await readPart(ranges, pinsVersion ? known : undefined)
    } catch (error) {
      // The object changed between our two requests: evaluate it again.
      const changed = error instanceof SluiceError && error.code === 'PRECONDITION_FAILED'
      heads.delete(name)
      if (!changed || isLast) throw error
    }
  }

  /** Reads the first satisfiable range, of the version `known` if it is given. */
  async function readPart(requested: ByteRange[], known: ObjectHead | undefined): Promise<ObjectAnswer> {
    let [range] = requested as [ByteRange]
    const isNothing = 'suffix' in range && range.suffix === 0
    let head = known ?? (isNothing ? await fetchHead() : undefined)
    if (!head) {
      try {
        return await confirmed(await read(boundRange(range, request.maxPartBytes), undefined))
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'RANGE_UNSATISFIABLE') throw error
        head = await fetchHead()
      }
    }
    const { size, etag } = head
    const fits = requested.find((one) => isSatisfiable(one, size))
    if (!fits) return withoutBody(416, head)
    // An empty part has no Content-Range (§14.4).
    if (size === 0) return withBody(await read(undefined, etag))
    range = boundRange(fits, request.maxPartBytes)
    return confirmed(await read(range, etag))
  }

  /** The opened part; the whole object if `If-Range` names another version. */
  async function confirmed(opened: ObjectBody): Promise<ObjectAnswer> {
    if (allows(opened)) return withBody(opened)
    opened.body.destroy()
    return withBody(await read(undefined, undefined))
  }
}

/** Caches the metadata of an object. Equal metadata stays the same JavaScript object, because other caches use it as a key. */
function cacheHead({ heads, name }: ObjectSource, received: ObjectHead): ObjectHead {
  const known = heads.get(name)
  if (known && isSame(known, received)) return known
  const { size, etag, lastModified, contentType, contentEncoding } = received
  const head = { size, etag, lastModified, contentType, ...(contentEncoding !== undefined && { contentEncoding }) }
  heads.set(name, head)
  return head
}

const isSame = (a: ObjectHead, b: ObjectHead) =>
  a.etag === b.etag &&
  a.size === b.size &&
  a.lastModified?.getTime() === b.lastModified?.getTime() &&
  a.contentType === b.contentType &&
  a.contentEncoding === b.contentEncoding
