import type { ByteRange } from '../provider.ts'

/** The value of a `Range` header (RFC 9110 §14.2). */
export const rangeHeader = (range: ByteRange) =>
  'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end ?? ''}`
