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

/**
 * The cursor behind a page that ends with `lastKey` and `lastFolder`: `>` and the key to go on after, or `=` and where to
 * go on. It holds no NUL, which databases refuse in texts.
 */
export function cursorBehind(lastKey: string | undefined, lastFolder: string | undefined): string {
  // "0" is the character that follows "/": the first name behind everything in the folder.
  if (lastFolder !== undefined && (lastKey === undefined || compareKeys(lastFolder, lastKey) > 0)) {
    return `=${lastFolder.slice(0, -1)}0`
  }
  return `>${lastKey ?? ''}`
}

/** The `startOffset`, which is inclusive (objects.list), that goes on at a cursor; undefined at the beginning. */
export function startOffset(cursor: string | null): string | undefined {
  if (cursor === null) return undefined
  const name = cursor.slice(1)
  return cursor.startsWith('=') ? name : nameAfter(name)
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
