import { SluiceError } from '../../errors.ts'
import { textKey } from '../key-bytes.ts'
import { noPace, type Pace } from '../pace.ts'
import type { ListPage, ObjectBody, ObjectHead, ObjectInfo, Provider } from '../provider.ts'
import { hasDotSegments } from './dot-segments.ts'
import { paceBody } from './paced.ts'

/** How much of an opened storage is trusted. */
export interface Trust {
  /** Whether keys with dot segments may be sent. */
  sendsDotSegments: boolean
  /** The limits of the storage, which hold for the bytes of bodies. */
  pace?: Pace
}

// Beyond any storage's limit on a single object; arithmetic with it stays exact.
const maxBytes = 2 ** 52
// Storages write at most a few dozen characters.
const maxEtagLength = 1_024
// PostgreSQL holds more, but no object is older than computers or from the far future.
const [firstYear, lastYear] = [1900, 9999]

/**
 * The provider with checks around it, whatever its kind: what a server responded must have the shape that the callers rely
 * on, a page holds at most the requested number of keys, only keys that are text are sent, and keys with dot segments to trusted
 * endpoints only.
 * @throws SluiceError UNEXPECTED_ANSWER, REMOTE_RESPONSE_TOO_LARGE, KEY_NOT_TEXT or KEY_HAS_DOT_SEGMENTS, besides those of the provider.
 */
export function guardProvider(provider: Provider, { sendsDotSegments, pace = noPace }: Trust): Provider {
  const { presign, write } = provider
  const check = (key: string) => {
    textKey(key)
    if (!sendsDotSegments && hasDotSegments(key)) throw new SluiceError('KEY_HAS_DOT_SEGMENTS')
  }
  return {
    ...provider,
    refusesKey: (key) => (!sendsDotSegments && hasDotSegments(key) ? 'KEY_HAS_DOT_SEGMENTS' : undefined),
    async list(options) {
      const page = await provider.list(options)
      checkPage(page, options)
      return page
    },
    async read(key, options) {
      check(key)
      const opened = await provider.read(key, options)
      if (isBody(opened)) return paceBody(opened, pace)
      opened.body.destroy()
      throw unreadable()
    },
    async head(key, signal) {
      check(key)
      const head = await provider.head(key, signal)
      if (!isHead(head)) throw unreadable()
      return head
    },
    async write(key, body, options) {
      check(key)
      // Bytes that arrived changed are sent again.
      for (let attempt = 1; ; attempt++) {
        try {
          return await write(key, body, options)
        } catch (error) {
          if (!isMismatch(error) || attempt === maxWrites) throw error
        }
      }
    },
    async remove(key, signal) {
      check(key)
      await provider.remove(key, signal)
    },
    ...(presign && {
      async presign(key: string, options: { ttlSeconds: number }) {
        check(key)
        return presign(key, options)
      },
    }),
  }
}

const maxWrites = 3
const isMismatch = (error: unknown) => error instanceof SluiceError && error.code === 'CHECKSUM_MISMATCH'

const unreadable = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The storage gave a length, time or version of an object that makes no sense.')

function checkPage({ objects, cursor, gaps = [] }: ListPage, asked: { limit: number; cursor: string | null }): void {
  if (objects.length + gaps.length > asked.limit) {
    throw new SluiceError(
      'REMOTE_RESPONSE_TOO_LARGE',
      `The storage listed more than the ${asked.limit} keys that were requested.`,
    )
  }
  if (!objects.every(isObject)) {
    throw new SluiceError('UNEXPECTED_ANSWER', 'The listing holds an entry without a usable key, size or time.')
  }
  if (cursor !== null && cursor === asked.cursor) {
    throw new SluiceError('UNEXPECTED_ANSWER', 'The listing says that it goes on, but does not.')
  }
}

const isObject = ({ key, size, etag, lastModified }: ObjectInfo) =>
  typeof key === 'string' && isLength(size) && isEtag(etag) && isTime(lastModified)

const isHead = ({ size, etag, lastModified }: Omit<ObjectHead, 'contentType'>) =>
  isLength(size) && isEtag(etag) && isTime(lastModified)

function isBody(opened: ObjectBody): boolean {
  const { length, range, size } = opened
  if (!isLength(length) || !isHead(opened)) return false
  if (!range) return true
  const { start, end } = range
  return isLength(start) && isLength(end) && end < size && end - start + 1 === length
}

const isLength = (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= maxBytes

const isEtag = (etag: unknown) => etag === null || (typeof etag === 'string' && etag.length <= maxEtagLength)

function isTime(time: unknown): boolean {
  if (time === null) return true
  const year = time instanceof Date ? time.getUTCFullYear() : Number.NaN
  return year >= firstYear && year <= lastYear
}
