import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../errors.ts'

/**
 * The number of bytes of the UTF-8 character that starts with this byte (RFC 3629 §3). 1 if no character of several bytes does.
 */
const announced = (byte: number) => (byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1)

/**
 * A key as text. Keys are bytes. If a key is not valid UTF-8, each invalid byte becomes a lone surrogate U+DC80…U+DCFF (PEP
 * 383, "surrogateescape"). So different keys have different texts, and `isWellFormed()` is false only for such keys. They can
 * be listed, but neither a URI nor the database can hold them.
 */
export function textOfKey(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  const parts: string[] = []
  let start = 0
  for (let at = 0; at < bytes.length; ) {
    const length = announced(bytes[at]!)
    if (bytes[at]! < 0x80 || (length > 1 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)))) {
      at += length
      continue
    }
    parts.push(bytes.toString('utf8', start, at), String.fromCharCode(0xdc00 + bytes[at]!))
    start = ++at
  }
  return parts.join('') + bytes.toString('utf8', start)
}

/** Reverses `textOfKey`. */
export function bytesOfKey(text: string): Buffer {
  // Parts at odd positions are the matches.
  const parts = text.split(/([\udc80-\udcff])/u)
  return Buffer.concat(
    parts.map((part, at) => (at % 2 === 0 ? Buffer.from(part) : Buffer.of(part.charCodeAt(0) - 0xdc00))),
  )
}

/** Returns the key if a request can contain it. @throws KEY_NOT_TEXT otherwise */
export function textKey(key: string): string {
  if (!key.isWellFormed()) throw new SluiceError('KEY_NOT_TEXT')
  return key
}

/**
 * Decodes percent-encoded text (RFC 3986 §2.1), as `textOfKey`. Undefined if a `%` is not followed by two hexadecimal digits.
 */
export function percentDecoded(text: string): string | undefined {
  if (/%(?![\da-f]{2})/i.test(text)) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    const bytes = text.replace(/%([\da-f]{2})|[^%]+/gi, (part, hex) => hex ?? Buffer.from(part).toString('hex'))
    return textOfKey(Buffer.from(bytes, 'hex'))
  }
}

/**
 * A text that a request can contain as the start of a listing after `key`. It is the key itself if that is text. Otherwise it
 * is a text that sorts closely before the key in byte order, and the caller must drop listed keys up to `key`.
 */
export function textBefore(key: string): string {
  const at = key.search(/\p{Surrogate}/u)
  if (at < 0) return key
  const byte = key.charCodeAt(at) - 0xdc00
  return `${key.slice(0, at)}${String.fromCodePoint(greatestBelow(byte))}\u{10ffff}`
}

/** The greatest code point whose UTF-8 starts with a byte below `byte`. */
function greatestBelow(byte: number): number {
  if (byte < 0xc3) return 0x7f
  if (byte < 0xe0) return (byte - 0xc0) * 0x40 - 1
  if (byte === 0xe0) return 0x7ff
  if (byte === 0xee) return 0xd7ff
  if (byte < 0xf0) return (byte - 0xe0) * 0x1000 - 1
  if (byte === 0xf0) return 0xffff
  return byte < 0xf5 ? (byte - 0xf0) * 0x40000 - 1 : 0x10ffff
}

/** A key as text for people and for the database. Invalid bytes become an escape such as `\xe9`. */
export function printableKey(key: string): string {
  if (key.isWellFormed() && !key.includes('\0')) return key
  return key.replace(/\p{Surrogate}|\0/gu, (char) => {
    const code = char.charCodeAt(0)
    const isByte = code === 0 || (code >= 0xdc80 && code <= 0xdcff)
    return isByte ? `\\x${(code & 0xff).toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}

// PostgreSQL limits a B-tree entry to 2,704 bytes, and the index on links stores more than the key.
const maxKeyBytes = 2_600

/** Why no link can store the key. Undefined if a link can. */
export function keyFault(key: string): 'KEY_NOT_TEXT' | 'KEY_TOO_LONG' | undefined {
  if (!key.isWellFormed() || key.includes('\0')) return 'KEY_NOT_TEXT'
  return key.length * 3 > maxKeyBytes && Buffer.byteLength(key) > maxKeyBytes ? 'KEY_TOO_LONG' : undefined
}
