import { SluiceError } from '../errors.ts'
import type { ByteRange } from './provider.ts'

/**
 * Resolves a range for an object of `size` bytes (RFC 9110 §14.1.2). Both ends are inclusive.
 * @throws RANGE_UNSATISFIABLE if no byte of the object is in the range.
 */
export function absoluteRange(range: ByteRange, size: number): { start: number; end: number } {
  const start = 'suffix' in range ? Math.max(0, size - range.suffix) : range.start
  const end = 'suffix' in range ? size - 1 : Math.min(range.end ?? size - 1, size - 1)
  if (start > end || ('suffix' in range && range.suffix === 0)) throw new SluiceError('RANGE_UNSATISFIABLE')
  return { start, end }
}
