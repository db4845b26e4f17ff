import { hostileKeys } from '@sluice/testkit/conformance/hostile-keys.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesOfKey } from '../../src/providers/key-bytes.ts'
import { compareKeys } from '../../src/providers/key-order.ts'
import { formatUri, parseUri } from '../../src/providers/uri.ts'

const key = fc.oneof(
  fc.constantFrom(...Object.values(hostileKeys)),
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.string({ minLength: 1, unit: 'grapheme' }),
  // UTF-16 units as a JSON file may hold them, unpaired surrogates among them.
  fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1 }).map((units) => String.fromCharCode(...units)),
)
const parts = fc.record({
  scheme: fc.constantFrom('s3', 'gs', 'azure-blob', 'redis', 'local-files'),
  bucket: fc.string({ unit: 'grapheme' }).filter((bucket) => !bucket.includes('/')),
  key,
})

test('parseUri returns exactly the parts of formatUri', () => {
  fc.assert(
    fc.property(parts, (uri) => {
      expect(parseUri(formatUri(uri))).toEqual(uri)
    }),
  )
})

test.for(['', 's3', 's3:', 's3://', 's3://bucket', 's3://bucket/', '/bucket/key', ' s3://b/k', '://b/k', 'https:/b/k'])(
  '"%s" is no URI of an object',
  (text) => {
    expect(parseUri(text)).toBeNull()
  },
)

test('keys compare like the bytes that they have in a bucket', () => {
  const near = fc.tuple(key, key, key).map(([start, a, b]) => [start + a, start + b] as const)
  fc.assert(
    // keys.test.ts tests the bytes of keys that are not text.
    fc.property(fc.oneof(fc.tuple(key, key), near), ([a, b]) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(bytesOfKey(a), bytesOfKey(b)))
    }),
  )
})
