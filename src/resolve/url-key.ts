import { hasDotSegments } from '../providers/kit/dot-segments.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A part of a URL, as the server of that URL reads it (WHATWG URL standard): in a query the value of one parameter
 * (application/x-www-form-urlencoded), elsewhere a part of the path, percent-decoded once. A `%` without two hexadecimal digits is
 * not decoded. Undefined if the text is empty, is not UTF-8, or has a NUL, or a `.` or `..` segment that could leave the prefix.
 */
export function decodeUrlPart(rest: string, isQuery = false): string | undefined {
  const end = rest.search(isQuery ? /[&#]/ : /[?#]/)
  const encoded = end < 0 ? rest : rest.slice(0, end)
  let text = percentDecoded(isQuery ? encoded.replaceAll('+', ' ') : encoded)
  // Label Studio removes slashes at the start of the parameter.
  if (isQuery) text = text?.replace(/^\/+/, '')
  return !text || text.includes('\0') || !text.isWellFormed() || hasDotSegments(text) ? undefined : text
}

/** The text percent-decoded once. Undefined if the bytes are not UTF-8. */
export function percentDecoded(encoded: string): string | undefined {
  try {
    return encoded.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) =>
      decoder.decode(Buffer.from(bytes.replaceAll('%', ''), 'hex')),
    )
  } catch {
    return undefined
  }
}
