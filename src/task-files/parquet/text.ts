import { isUtf8 } from 'node:buffer'

/** The text in UTF-8 from `start` up to, not including, `end`; undefined if it is not UTF-8. */
export function textOf(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString('utf8', start, end)
  // The replacement may also be what the text says.
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)) ? undefined : text
}
