import type { ByteRange } from '../providers/provider.ts'

/**
 * The first range of a `Range` header (RFC 9110 §14.2), at most `maxBytes` long; undefined when there is none or the header
 * makes no sense, which means the whole object.
 */
export function parseRange(header: string | undefined, maxBytes: number): ByteRange | undefined {
  const first = /^bytes=\s*(\d*)-(\d*)\s*(?:,|$)/.exec(header ?? '')
  if (!first) return undefined
  const [start, end] = [first[1]!, first[2]!].map((digits) => (digits === '' ? undefined : Number(digits)))
  if (start === undefined) return end === undefined ? undefined : { suffix: Math.min(end, maxBytes) }
  if (end !== undefined && end < start) return undefined
  return { start, end: Math.min(end ?? Number.MAX_SAFE_INTEGER, start + maxBytes - 1) }
}
