import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { ObjectBody } from './provider.ts'

/**
 * Determines which part of the object a response contains. `Content-Range` only has a meaning in a 206 (RFC 9110 §14.4), so a
 * 200 is the whole object. So is a 206 with all bytes, if the request had no `Range`.
 * @throws UNEXPECTED_ANSWER for a 206 with an unknown part, or with a part of the object if the request had no `Range`: taking
 * it for the whole object would truncate it. Destroys `body` then.
 */
export function partOf(
  { status, contentRange }: { status: number; contentRange: string | null | undefined },
  { isRanged, length, body }: { isRanged: boolean; length: number; body: Pick<Readable, 'destroy'> },
): Pick<ObjectBody, 'size' | 'range'> {
  if (status !== 206) return { size: length }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? '')
  if (match) {
    const [start, end, size] = [Number(match[1]), Number(match[2]), Number(match[3])]
    if (isRanged) return { size, range: { start, end } }
    if (start === 0 && end === size - 1) return { size }
  }
  // An empty part has no valid Content-Range. Azurite sends this for a range of an empty object.
  if (isRanged && length === 0) return { size: 0 }
  body.destroy()
  throw new SluiceError('UNEXPECTED_ANSWER', 'The storage sent a part of an object that was not requested.')
}
