import { Readable } from 'node:stream'
import type { Redis } from 'ioredis'
import { SluiceError } from '../../errors.ts'
import type { ByteRange } from '../provider.ts'
import type { Connection } from './connection.ts'

const sliceBytes = 256 * 1024

/** A snapshot of a value: its size, and the start of the requested bytes. */
interface ValueStart {
  size: number
  bytes: Buffer
}

/**
 * Reads the size of a value and at most one slice (256 KiB) from the start of `range`. Both are from the same moment: a value
 * that fits into a slice needs one command, a larger one a transaction.
 * @throws OBJECT_MISSING; a reply WRONGTYPE if the value is not a string.
 */
export async function readStart(redis: Redis, key: string, range: ByteRange | undefined): Promise<ValueStart> {
  if (!range) {
    const bytes: unknown = await redis.getrangeBuffer(key, 0, sliceBytes - 1)
    if (!Buffer.isBuffer(bytes) || bytes.length > sliceBytes) throw unreadable()
    // An empty reply means an empty or a missing value. A full slice may not be the whole value.
    if (bytes.length > 0 && bytes.length < sliceBytes) return { size: bytes.length, bytes }
    return readSlice(redis, key, 0, sliceBytes - 1)
  }
  if ('suffix' in range) return readSlice(redis, key, -range.suffix, Math.min(-1, sliceBytes - range.suffix - 1))
  const start = Math.min(range.start, Number.MAX_SAFE_INTEGER - sliceBytes)
  return readSlice(redis, key, start, Math.min(range.end ?? Infinity, start + sliceBytes - 1))
}

/** The size, and the bytes from `start` to `end`, which have the meaning of GETRANGE. */
async function readSlice(redis: Redis, key: string, start: number, end: number): Promise<ValueStart> {
  const answers = await redis.multi().exists(key).strlen(key).getrangeBuffer(key, start, end).exec()
  if (!Array.isArray(answers) || answers.length !== 3) throw unreadable()
  const [exists, size, bytes] = answers.map(([error, value]): unknown => {
    if (error) throw error
    return value
  })
  if (exists === 0) throw new SluiceError('OBJECT_MISSING')
  const isSize = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0
  // Offsets from the end give a number of bytes that depends on the size.
  const maxBytes = start >= 0 && end >= start ? end - start + 1 : sliceBytes
  if (!isSize || !Buffer.isBuffer(bytes) || bytes.length > Math.min(maxBytes, size)) throw unreadable()
  return { size, bytes }
}

const unreadable = () => new SluiceError('UNEXPECTED_ANSWER', 'The server did not return a value and its size.')

/**
 * The bytes of a value from `start` to `end` (inclusive). `first` holds those that were already read; the rest is fetched slice
 * by slice on demand. Redis has no versions: if the size of the value changes meanwhile, the body fails with
 * PRECONDITION_FAILED. A replacement of the same size is not noticed.
 */
export function bodyOf(
  connection: Connection,
  key: string,
  value: { size: number; first: Buffer; start: number; end: number },
): Readable {
  const { size, first, start, end } = value
  let at = start + first.length
  let abort: AbortController | undefined

  const nextSlice = async (): Promise<Buffer> => {
    abort ??= new AbortController()
    const last = Math.min(at + sliceBytes - 1, end)
    const slice = await connection
      .run(abort.signal, (redis) => readSlice(redis, key, at, last))
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
      abort?.abort(error ?? new Error('The body was closed.'))
      done(error)
    },
  })
  if (first.length > 0) body.push(first)
  if (at > end) body.push(null)
  return body
}

const changed = () => new SluiceError('PRECONDITION_FAILED', 'The value was changed while it was read.')
