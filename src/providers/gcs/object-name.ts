import { textBefore } from '../key-bytes.ts'
import { compareKeys } from '../key-order.ts'

// The longest name in UTF-8 bytes (Cloud Storage documentation, "Object name requirements").
const longest = 1024

/**
 * Whether Cloud Storage can hold an object of this name. Other names must not be requested: in a URL, the names `.` and `..`
 * would address the bucket instead.
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

// Appended to a folder, it sorts after every name in the folder, so a listing that starts after it skips the folder.
const afterFolder = '\u{10ffff}'

/**
 * The cursor after a page that ends with `lastKey` and `lastFolder`: the greater of both. For a folder, it follows all its
 * names.
 */
export function cursorAfter(lastKey = '', lastFolder = ''): string {
  return compareKeys(lastFolder, lastKey) > 0 ? lastFolder + afterFolder : lastKey
}

/**
 * The `startOffset` (objects.list) that continues after `cursor`; the API includes that name itself. If `cursor` is not text,
 * the offset is slightly earlier. Undefined for the first page.
 */
export function startOffset(cursor: string | null): string | undefined {
  if (cursor === null) return undefined
  if (!cursor.isWellFormed()) return textBefore(cursor)
  // The cursor is longer than a name can be. "0" is the character after "/".
  if (isTooLong(cursor) && cursor.endsWith(`/${afterFolder}`)) return `${cursor.slice(0, -afterFolder.length - 1)}0`
  return nameAfter(cursor)
}

/** The first possible name after `key`. */
function nameAfter(key: string): string {
  if (Buffer.byteLength(key) < longest) return `${key}\0`
  // No longer name exists, so the next name differs in the last character. That must not take more bytes.
  const last = Array.from(key).at(-1)!
  const next = String.fromCodePoint(Math.min(last.codePointAt(0)! + 1, 0x10ffff))
  const fits = next.isWellFormed() && Buffer.byteLength(next) === Buffer.byteLength(last) && next !== last
  return fits ? key.slice(0, -last.length) + next : `${key}\0`
}
