import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../../errors.ts'

/**
 * A Redis key as text. Keys are bytes; in one that is no valid UTF-8 each byte that does not fit becomes a lone surrogate
 * U+DC80…U+DCFF (as PEP 383, "surrogateescape"), so that no two keys share a text and `isWellFormed()` tells it from every
 * real text. Such a key can be listed, but neither a URI nor the database can hold it.
 */
export function textOfKey(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => at + n <= bytes.length && isUtf8(bytes.subarray(at, at + n)))
    text += length ? bytes.toString('utf8', at, at + length) : String.fromCharCode(0xdc00 + bytes[at]!)
    at += length ?? 1
  }
  return text
}

/** The bytes of a key that `textOfKey` has made text of. */
export function bytesOfKey(text: string): Buffer {
  const parts = text.split(/([\udc80-\udcff])/u)
  return Buffer.concat(
    parts.map((part) => (part.isWellFormed() ? Buffer.from(part) : Buffer.of(part.charCodeAt(0) - 0xdc00))),
  )
}

/** The key to ask for. @throws KEY_NOT_TEXT for one that is no text. */
export function textKey(key: string): string {
  if (!key.isWellFormed()) throw new SluiceError('KEY_NOT_TEXT')
  return key
}
