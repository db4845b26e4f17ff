import { Readable } from 'node:stream'
import type { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import type { ByteRange } from '../provider.ts'
import type { Connection } from './connection.ts'

const sliceBytes = 256 * 1024

/** A value as it was at one moment: its size, and the beginning of what was asked of it. */
export interface Glance {
  size: number
  bytes: Buffer
}

/**
 * Looks at a value: its size and at most one slice, from where `range` begins. Both are of the same moment: a value that
 * fits into a slice takes one command, and others are asked for in a transaction.
 * @throws OBJECT_MISSING; a reply WRONGTYPE when it is no string.
 */
export async function glance(redis: Redis, key: string, range: ByteRange | undefined): Promise<Glance> {
  if (!range) {
    const bytes: unknown = await redis.getrangeBuffer(key, 0, sliceBytes - 1)
    if (!Buffer.isBuffer(bytes) || bytes.length > sliceBytes) throw unreadable()
    // An empty answer is an empty value or none; a full one may go on.
    if (bytes.length > 0 && bytes.length < sliceBytes) return { size: bytes.length, bytes }
    return look(redis, key, 0, sliceBytes - 1)
  }
  if ('suffix' in range) return look(redis, key, -range.suffix, Math.min(-1, sliceBytes - range.suffix - 1))
  const start = Math.min(range.start, Number.MAX_SAFE_INTEGER - sliceBytes)
  return look(redis, key, start, Math.min(range.end ?? Infinity, start + sliceBytes - 1))
}

/** Size, and the bytes from `start` to `end` as GETRANGE counts them. */
async function look(redis: Redis, key: string, start: number, end: number): Promise<Glance> {
  const answers = await redis.multi().exists(key).strlen(key).getrangeBuffer(key, start, end).exec()
  if (!Array.isArray(answers) || answers.length !== 3) throw unreadable()
  const [exists, size, bytes] = answers.map(([error, value]) => {
    if (error) throw error
    return value as unknown
  })
  if (exists === 0) throw new SluiceError('OBJECT_MISSING')
  const isSize = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0
  // Counted from the end, the number of bytes asked for depends on the size.
  const asked = start >= 0 && end >= start ? end - start + 1 : sliceBytes
  if (!isSize || !Buffer.isBuffer(bytes) || bytes.length > Math.min(asked, size)) throw unreadable()
  return { size, bytes }
}

const unreadable = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The server answered with something else than a value and its size.')

/**
 * The bytes from `start` to `end` (inclusive) of a value, of which `first` are there already. The rest is fetched slice by
 * slice, when it is wanted. Redis keeps no versions: a value whose size changes meanwhile ends the body with
 * PRECONDITION_FAILED; one that is replaced by another of the same size is not noticed.
 */
export function bodyOf(
  connection: Connection,
  key: string,
  value: { size: number; first: Buffer; start: number; end: number },
): Readable {
  const { size, first, start, end } = value
  let at = start + first.length
  let gone: AbortController | undefined

  const nextSlice = async (): Promise<Buffer> => {
    gone ??= new AbortController()
    const last = Math.min(at + sliceBytes - 1, end)
    const slice = await connection
      .run(gone.signal, (redis) => look(redis, key, at, last))
      .catch((error) => {
        throw error?.code === 'OBJECT_MISSING' ? changed() : error
      })
    if (slice.size !== size || slice.bytes.length !== last - at + 1) throw changed()
    at = last + 1
    return slice.bytes
  }

  const body = new Readable({
    highWaterMark: sliceBytes,
    read() {
      if (at > end) this.push(null)
      else
        nextSlice().then(
          (bytes) => this.push(bytes),
          (error) => this.destroy(error),
        )
    },
    destroy(error, done) {
      gone?.abort(error ?? new Error('The body was closed.'))
      done(error)
    },
  })
  if (first.length > 0) body.push(first)
  if (at > end) body.push(null)
  return body
}

const changed = () => new SluiceError('PRECONDITION_FAILED', 'The value was changed while it was read.')
