import { percentDecoded } from './url-key.ts'

const maxChars = 8_192
// A request line must stay below the limits of common proxies (8 KiB), with the token.
const maxLinkChars = 4_096

// Quotes and parentheses end a link in HTML, CSS and Markdown.
const encodeSegment = (segment: string) =>
  encodeURIComponent(segment).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/**
 * The key as the path of a URL, so that a browser resolves relative names against it. Undefined if URLs change or proxies may change
 * such a path (an empty, `.` or `..` segment, or `\`), or if it is too long.
 */
export function encodeKeyPath(key: string): string | undefined {
  if (!key.isWellFormed() || !key.split('/').every(isSafeSegment)) return undefined
  const path = key.split('/').map(encodeSegment).join('/')
  return path.length > maxLinkChars ? undefined : path
}

/**
 * The key in the path of a request, as it was sent. Each segment is percent-decoded once; a `%` without two hexadecimal digits is not
 * decoded. Undefined for a path that leads to another key in other programs: see `encodeKeyPath`, also after decoding, an encoded
 * slash, a NUL, or bytes that are not UTF-8.
 */
export function decodeKeyPath(path: string): string | undefined {
  // Clients encode every other character.
  if (path.length > maxChars || !/^[\x21-\x7e]+$/.test(path)) return undefined
  const segments: string[] = []
  for (const encoded of path.split('/')) {
    const segment = percentDecoded(encoded)
    if (segment === undefined || !isSafeSegment(segment)) return undefined
    segments.push(segment)
  }
  return segments.join('/')
}

/** Everything up to the last `/` of a key, including it. Empty for a key without `/`. */
export const folderOfKey = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1)

const isSafeSegment = (segment: string) => segment !== '' && !/^\.\.?$|[/\\\0]/.test(segment)
