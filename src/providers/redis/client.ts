import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { absoluteRange } from '../absolute-range.ts'
import { contentTypeOf } from '../content-type.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { textKey } from '../key-bytes.ts'
import { folderOf } from '../kit/folder-of.ts'
import { noPace } from '../pace.ts'
import type { Provider } from '../provider.ts'
import { createConnection } from './connection.ts'
import type { RedisLocation, RedisSecrets } from './location.ts'
import { readObjectInfo } from './object-info.ts'
import { nextKeys } from './scan.ts'
import { bodyOf, readStart } from './value.ts'

/**
 * Opens a database of a Redis server. Redis stores no version and no modification time of a string, so etag and lastModified
 * are null, and a read with `ifMatch` always fails. Keys of other types are listed, too, with size 0 and the fault WRONG_TYPE.
 */
export function openRedis(place: RedisLocation, secrets: RedisSecrets, egress: Egress, pace = noPace): Provider {
  const connection = createConnection(place, secrets, { egress, pace })

  return {
    async check(signal) {
      await connection.run(signal, (redis) => redis.scan(0, 'COUNT', 1))
    },

    async list({ cursor, limit, recursive, signal }) {
      const prefix = recursive ? place.path : folderOf(place.path)
      const takes = (key: string) => recursive || !key.includes('/', prefix.length)
      const page = await nextKeys(connection, { cursor, limit, prefix, takes, signal })
      const objects = await connection.run(signal, (redis) => readObjectInfo(redis, page.keys))
      return { objects, cursor: page.cursor }
    },

    async read(key, { range, ifMatch, signal } = {}) {
      const { size, bytes } = await connection.run(signal, (redis) => readStart(redis, textKey(key), range))
      if (ifMatch !== undefined) throw new SluiceError('PRECONDITION_FAILED')
      const part = range && absoluteRange(range, size)
      const { start, end } = part ?? { start: 0, end: size - 1 }
      return {
        body: endOnAbort(bodyOf(connection, key, { size, first: bytes, start, end }), signal),
        length: end - start + 1,
        size,
        ...(part && { range: part }),
        etag: null,
        lastModified: null,
        contentType: contentTypeOf(key) ?? null,
      }
    },

    async head(key, signal) {
      const { size } = await connection.run(signal, (redis) => readStart(redis, textKey(key), { start: 0, end: 0 }))
      return { size, etag: null, lastModified: null, contentType: contentTypeOf(key) ?? null }
    },

    async write(key, body, { signal } = {}) {
      await connection.run(signal, (redis) => redis.set(textKey(key), body), body.length)
    },

    async remove(key, signal) {
      // Not UNLINK: for strings it has no advantage over DEL, and old servers do not support it.
      await connection.run(signal, (redis) => redis.del(textKey(key)))
    },

    close: () => connection.close(),
  }
}
