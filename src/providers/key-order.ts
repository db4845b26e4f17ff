import { bytesOfKey } from './key-bytes.ts'

/** Compares two keys byte by byte in UTF-8, the order in which S3 lists and the database's links are sorted (collation "C"). */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  // Only a surrogate can make the order of UTF-16 units differ from that of bytes.
  if (!/[\ud800-\udfff]/.test(a + b)) return a < b ? -1 : 1
  // The bytes of a key that is no text are those that it has in the storage.
  return Buffer.compare(bytesOfKey(a), bytesOfKey(b))
}
