import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { SluiceError } from '../../../src/errors.ts'
import { absoluteRange } from '../../../src/providers/absolute-range.ts'
import { endOnAbort } from '../../../src/providers/end-on-abort.ts'
import { compareKeys } from '../../../src/providers/key-order.ts'
import type { Provider } from '../../../src/providers/provider.ts'

interface Stored {
  body: Buffer
  etag: string
  lastModified: Date
  contentType: string | null
}

const buckets = new Map<string, Map<string, Stored>>()

function* chunksOf(body: Buffer) {
  for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536)
}

/** Opens a bucket, which exists from then on. */
export function openMemory({ bucket, prefix }: { bucket: string; prefix: string }): Provider {
  const objects = buckets.get(bucket) ?? new Map<string, Stored>()
  buckets.set(bucket, objects)
  const find = (key: string): Stored => {
    const stored = objects.get(key)
    if (!stored) throw new SluiceError('OBJECT_MISSING')
    return stored
  }
  return {
    ordered: true,
    keyCursor: true,
    async check(signal) {
      signal?.throwIfAborted()
    },
    async list({ cursor, limit, recursive, signal }) {
      signal?.throwIfAborted()
      // One level is that of a folder, whether the prefix ends in a slash or not.
      const start = recursive || prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
      const isListed = (key: string) => key.startsWith(start) && (recursive || !key.slice(start.length).includes('/'))
      const keys = [...objects.keys()]
        .filter((key) => isListed(key) && (cursor === null || compareKeys(key, cursor) > 0))
        .sort(compareKeys)
      const page = keys.slice(0, limit).map((key) => {
        const { body, etag, lastModified } = find(key)
        return { key, size: body.length, etag, lastModified }
      })
      return { objects: page, cursor: keys.length > limit ? page.at(-1)!.key : null }
    },
    async read(key, { range, ifMatch, signal } = {}) {
      signal?.throwIfAborted()
      const { body: whole, ...head } = find(key)
      if (ifMatch !== undefined && ifMatch !== head.etag) throw new SluiceError('PRECONDITION_FAILED')
      const part = range && absoluteRange(range, whole.length)
      const bytes = part ? whole.subarray(part.start, part.end + 1) : whole
      const body = endOnAbort(Readable.from(chunksOf(bytes), { objectMode: false }), signal)
      return { ...head, body, length: bytes.length, size: whole.length, ...(part && { range: part }) }
    },
    async head(key, signal) {
      signal?.throwIfAborted()
      const { body, ...head } = find(key)
      return { ...head, size: body.length }
    },
    async write(key, body, { contentType, signal } = {}) {
      signal?.throwIfAborted()
      const etag = createHash('md5').update(body).digest('hex')
      objects.set(key, { body: Buffer.from(body), etag, lastModified: new Date(), contentType: contentType ?? null })
    },
    async remove(key, signal) {
      signal?.throwIfAborted()
      objects.delete(key)
    },
    close() {},
  }
}
