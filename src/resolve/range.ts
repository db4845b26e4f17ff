import type { ByteRange } from '../providers/provider.ts'

/** Larger than any object, and safe in arithmetic and in requests. */
const beyond = 2 ** 52
/** A header with more ranges is ignored as an error or attack (RFC 9110 §14.2). */
const mostRanges = 16

/**
 * The ranges of a `Range` header, in order (RFC 9110 §14.1.2). Undefined, which means the whole object (§14.2), if there is no
 * header or it is invalid.
 */
export function parseRanges(header: string | undefined): ByteRange[] | undefined {
  const list = /^bytes=(.*)$/i.exec(header ?? '')?.[1]
  if (list === undefined) return undefined
  const parts = list
    .split(',', mostRanges + 1)
    .map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''))
    // A list may hold empty elements (§5.6.1.2).
    .filter(Boolean)
  if (parts.length === 0 || parts.length > mostRanges) return undefined
  const ranges: ByteRange[] = []
  for (const part of parts) {
    const [, first, last] = /^(\d*)-(\d*)$/.exec(part) ?? []
    if (first === undefined || last === undefined || first + last === '') return undefined
    if (first === '') ranges.push({ suffix: Math.min(Number(last), beyond) })
    else if (last === '') ranges.push({ start: Math.min(Number(first), beyond) })
    else if (Number(last) < Number(first)) return undefined
    else ranges.push({ start: Math.min(Number(first), beyond), end: Math.min(Number(last), beyond) })
  }
  return ranges
}

/** Limits a range to `maxBytes`: its first bytes, or the last bytes of a suffix. `Infinity` means no limit. */
export function boundRange(range: ByteRange, maxBytes: number): ByteRange {
  if (maxBytes === Infinity) return range
  if ('suffix' in range) return { suffix: Math.min(range.suffix, maxBytes) }
  return { start: range.start, end: Math.min(range.end ?? beyond, range.start + maxBytes - 1) }
}

/** Whether any byte of an object of `size` bytes lies in the range (RFC 9110 §14.1.2). */
export function isSatisfiable(range: ByteRange, size: number): boolean {
  return 'suffix' in range ? range.suffix > 0 : range.start < size
}
