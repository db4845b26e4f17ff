import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { ObjectBody } from './provider.ts'

/**
 * What a response says of its part of the object: `Content-Range` has a meaning in a 206 only (RFC 9110 §14.4), so a 200 is the
 * whole object, and so is a 206 with all bytes to a request without `Range`.
 * @throws UNEXPECTED_ANSWER, with `body` destroyed, for a 206 whose part is unknown, or that contains less than was requested without
 *   `Range`: to take it for the whole object would truncate it.
 */
export function partOf(
  { status, contentRange }: { status: number; contentRange: string | null | undefined },
  { isRanged, length, body }: { isRanged: boolean; length: number; body: Pick<Readable, 'destroy'> },
): Pick<ObjectBody, 'size' | 'range'> {
  if (status !== 206) return { size: length }
  const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? '')?.map(Number) ?? []
  const isKnown = start !== undefined && end !== undefined && size !== undefined
  if (isKnown && isRanged) return { size, range: { start, end } }
  if (isKnown && start === 0 && end === size - 1) return { size }
  // A part without bytes has no valid Content-Range; Azurite answers so when a range is asked of an empty object.
  if (isRanged && length === 0) return { size: 0 }
  body.destroy()
  throw new SluiceError('UNEXPECTED_ANSWER', 'The storage sent a part of an object that was not requested.')
}
