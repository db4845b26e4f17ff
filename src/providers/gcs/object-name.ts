import { textBefore } from '../key-bytes.ts'
import { compareKeys } from '../key-order.ts'

// Cloud Storage documentation, "Object name requirements". The longest name, in bytes of UTF-8.
const longest = 1024

/**
 * Whether Cloud Storage can hold an object of this name. To ask for one that it cannot is not only useless: a URL with
 * `.` or `..` for a name is another URL, that of the bucket.
 */
export function canBeName(key: string): boolean {
  return (
    key !== '' &&
    key !== '.' &&
    key !== '..' &&
    !/[\r\n]/.test(key) &&
    !key.startsWith('.well-known/acme-challenge/') &&
    key.isWellFormed() &&
    !isTooLong(key)
  )
}

export const isTooLong = (key: string) => Buffer.byteLength(key) > longest

// Sorts behind every name that continues a folder's, so a listing that starts after it skips the folder.
const behindFolder = '\u{10ffff}'

/** The cursor behind a page that ends with `lastKey` and `lastFolder`: the greater one, of a folder what is behind all in it. */
export function cursorBehind(lastKey = '', lastFolder = ''): string {
  return compareKeys(lastFolder, lastKey) > 0 ? lastFolder + behindFolder : lastKey
}

/** The `startOffset` (objects.list), which is inclusive, of what comes after `cursor`, or earlier if `cursor` is not text; undefined at the beginning. */
export function startOffset(cursor: string | null): string | undefined {
  if (cursor === null) return undefined
  if (!cursor.isWellFormed()) return textBefore(cursor)
  // Too long for a name of its own: "0" is the character that follows "/".
  if (isTooLong(cursor) && cursor.endsWith(`/${behindFolder}`)) return `${cursor.slice(0, -behindFolder.length - 1)}0`
  return nameAfter(cursor)
}

/** The first possible name after `key`. */
function nameAfter(key: string): string {
  if (Buffer.byteLength(key) < longest) return `${key}\0`
  // No longer name exists, so the next one differs in the last character; one that takes more bytes would be too long.
  const last = Array.from(key).at(-1)!
  const next = String.fromCodePoint(Math.min(last.codePointAt(0)! + 1, 0x10ffff))
  const fits = next.isWellFormed() && Buffer.byteLength(next) === Buffer.byteLength(last) && next !== last
  return fits ? key.slice(0, -last.length) + next : `${key}\0`
}
