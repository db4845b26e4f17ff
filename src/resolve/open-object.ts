import type { LRUCache } from 'lru-cache'
import { SluiceError } from '../errors.ts'
import type { ByteRange, ObjectBody, ObjectHead, Provider } from '../providers/provider.ts'
import { allowsPart, type Conditions, judge, mayEnd } from './conditions.ts'
import { etagFor } from './etag.ts'
import { boundRange, isSatisfiable } from './range.ts'

/** What is known of objects: of each version of a storage and key, as it was last seen. */
export type ObjectFacts = LRUCache<string, ObjectHead>

/** Where an object is read from, and how it is known. */
export interface ObjectSource {
  provider: Provider
  key: string
  facts: ObjectFacts
  /** What the object is called in `facts`. */
  name: string
}

/** What a viewer asks of an object. */
export interface ObjectRequest {
  method: 'GET' | 'HEAD'
  ranges: ByteRange[] | undefined
  conditions: Conditions
  /** Most bytes of a part; `Infinity` for the whole range. */
  maxPartBytes: number
  /** What the viewer may see, as far as entity tags differ by it. */
  access: string
  signal: AbortSignal
}

/** An object, or why it need not or cannot be sent. `etag` is the viewer's own. */
export type ObjectAnswer =
  | { status: 200 | 206; object: ObjectHead; etag: string | null; opened: ObjectBody | undefined }
  | { status: 304 | 412 | 416; object: ObjectHead; etag: string | null; opened?: never }

/**
 * Opens an object as RFC 9110 wants it: conditions first (§13.2), then the first range that can be satisfied (§14.2), bounded.
 * A GET without conditions costs one read. Conditions that can end the request are judged by what the storage says now,
 * before any byte is asked for; those of a range by what was last seen, which the storage then confirms (`ifMatch`), so that
 * the many ranges of a player cost a read each and nothing else.
 * @throws SluiceError as providers do; a body that was opened is the caller's.
 */
export async function openObject(source: ObjectSource, request: ObjectRequest): Promise<ObjectAnswer> {
  const { provider, key, facts, name } = source
  const { method, conditions, access, signal } = request
  const ranges = method === 'GET' ? request.ranges : undefined

  const validators = (object: ObjectHead) => ({
    etag: etagFor(object.etag, access),
    lastModified: object.lastModified,
  })
  // Entity tags cost a hash each.
  const allows = (object: ObjectHead) =>
    conditions.ifRange === undefined || allowsPart(conditions.ifRange, validators(object))
  const ask = async () => learn(source, await provider.head(key, signal))
  const read = (range: ByteRange | undefined, ifMatch: string | null | undefined) =>
    provider.read(key, { range, signal, ifMatch: ifMatch ?? undefined })
  const sent = (opened: ObjectBody): ObjectAnswer => ({
    status: opened.range ? 206 : 200,
    object: learn(source, opened),
    etag: etagFor(opened.etag, access),
    opened,
  })
  const ended = (status: 304 | 412 | 416, object: ObjectHead): ObjectAnswer => ({
    ...{ status, object },
    etag: etagFor(object.etag, access),
  })

  for (let isLast = false; ; isLast = true) {
    const asks = method === 'HEAD' || mayEnd(conditions)
    const known = asks ? await ask() : isLast ? undefined : facts.get(name)
    if (known && asks) {
      const verdict = judge(conditions, validators(known))
      if (verdict) return ended(verdict, known)
      if (method === 'HEAD') {
        return { status: 200, object: known, etag: etagFor(known.etag, access), opened: undefined }
      }
    }
    try {
      const wanted = ranges && (known === undefined || allows(known))
      if (!wanted) return sent(await read(undefined, asks ? known?.etag : undefined))
      // What was last seen may do for a part that it has, never to say that there is none.
      const binds =
        asks || (conditions.ifRange !== undefined && known && ranges.some((one) => isSatisfiable(one, known.size)))
      return await readPart(ranges, binds ? known : undefined)
    } catch (error) {
      // It changed between two requests of ours: judge it anew.
      const changed = error instanceof SluiceError && error.code === 'PRECONDITION_FAILED'
      facts.delete(name)
      if (!changed || isLast) throw error
    }
  }

  /** Reads the first range that can be satisfied; of the version `known`, if there is one. */
  async function readPart(asked: ByteRange[], known: ObjectHead | undefined): Promise<ObjectAnswer> {
    let [range] = asked as [ByteRange]
    const isNothing = 'suffix' in range && range.suffix === 0
    let head = known ?? (isNothing ? await ask() : undefined)
    if (!head) {
      try {
        return await confirmed(await read(boundRange(range, request.maxPartBytes), undefined))
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'RANGE_UNSATISFIABLE') throw error
        head = await ask()
      }
    }
    const { size, etag } = head
    const fits = asked.find((one) => isSatisfiable(one, size))
    if (!fits) return ended(416, head)
    // There is no Content-Range for a part of nothing (§14.4).
    if (size === 0) return sent(await read(undefined, etag))
    range = boundRange(fits, request.maxPartBytes)
    return confirmed(await read(range, etag))
  }

  /** A part that was opened, unless `If-Range` wants another version: then the whole object. */
  async function confirmed(opened: ObjectBody): Promise<ObjectAnswer> {
    if (allows(opened)) return sent(opened)
    opened.body.destroy()
    return sent(await read(undefined, undefined))
  }
}

/** Keeps what is told of an object; what is known already stays the same thing, for those who derive from it. */
function learn({ facts, name }: ObjectSource, told: ObjectHead): ObjectHead {
  const known = facts.get(name)
  if (known && isSame(known, told)) return known
  const { size, etag, lastModified, contentType, contentEncoding } = told
  const head = { size, etag, lastModified, contentType, ...(contentEncoding !== undefined && { contentEncoding }) }
  facts.set(name, head)
  return head
}

const isSame = (a: ObjectHead, b: ObjectHead) =>
  a.etag === b.etag &&
  a.size === b.size &&
  a.lastModified?.getTime() === b.lastModified?.getTime() &&
  a.contentType === b.contentType &&
  a.contentEncoding === b.contentEncoding
