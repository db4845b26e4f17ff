import { SluiceError } from '../../errors.ts'
import { textKey } from '../key-bytes.ts'
import { noPace, type Pace } from '../pace.ts'
import type { ListPage, ObjectBody, ObjectHead, ObjectInfo, Provider } from '../provider.ts'
import { hasDotSegments } from './dot-segments.ts'
import { paceBody } from './paced.ts'

/** Settings of `guardProvider`. */
interface Trust {
  /** Whether keys with dot segments may be sent. */
  sendsDotSegments: boolean
  /** The limits of the storage. They apply to the bytes of bodies. */
  pace?: Pace
}

// No storage permits such large objects. Arithmetic with it is still exact.
const maxBytes = 2 ** 52
// Etags of real storages have at most a few dozen characters.
const maxEtagLength = 1_024
// PostgreSQL supports more years, but no real object has them.
const [minTime, maxTime] = [Date.UTC(1900), Date.UTC(10_000)]

/**
 * Adds checks to a provider of any kind. Responses must have the shape that callers rely on. A page has at most the requested
 * number of keys. Only keys that are text are sent, and keys with dot segments only to trusted endpoints.
 * @throws SluiceError UNEXPECTED_ANSWER, REMOTE_RESPONSE_TOO_LARGE, KEY_NOT_TEXT or KEY_HAS_DOT_SEGMENTS, besides the errors of
 * the provider.
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
      // Retries if the storage received other bytes.
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
  new SluiceError('UNEXPECTED_ANSWER', 'The storage returned an invalid length, time or version of an object.')

function checkPage(
  { objects, cursor, gaps = [] }: ListPage,
  requested: { limit: number; cursor: string | null },
): void {
  if (objects.length + gaps.length > requested.limit) {
    throw new SluiceError(
      'REMOTE_RESPONSE_TOO_LARGE',
      `The storage listed more than the ${requested.limit} keys that were requested.`,
    )
  }
  if (!objects.every(isObject)) {
    throw new SluiceError('UNEXPECTED_ANSWER', 'The listing contains an entry without a usable key, size or time.')
  }
  if (cursor !== null && cursor === requested.cursor) {
    throw new SluiceError('UNEXPECTED_ANSWER', 'The storage reports more keys, but the listing makes no progress.')
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
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= maxBytes

const isEtag = (etag: unknown) => etag === null || (typeof etag === 'string' && etag.length <= maxEtagLength)

function isTime(time: unknown): boolean {
  if (time === null) return true
  const milliseconds = time instanceof Date ? time.getTime() : Number.NaN
  return milliseconds >= minTime && milliseconds < maxTime
}
