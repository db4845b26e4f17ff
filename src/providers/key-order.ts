import { bytesOfKey } from './key-bytes.ts'

/** Compares the UTF-8 bytes of two keys. S3 lists keys in this order, and the database sorts links in it (collation "C"). */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  // Without surrogates, the order of UTF-16 code units is the same as that of bytes.
  if (!/[\ud800-\udfff]/.test(a + b)) return a < b ? -1 : 1
  // A key that is not text compares by its bytes in the storage.
  return Buffer.compare(bytesOfKey(a), bytesOfKey(b))
}
