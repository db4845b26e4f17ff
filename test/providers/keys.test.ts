import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesOfKey, percentDecoded, printableKey, textBefore, textOfKey } from '../../src/providers/key-bytes.ts'
import { compareKeys } from '../../src/providers/key-order.ts'

const key = fc.oneof(
  fc.uint8Array({ maxLength: 8 }),
  fc
    .tuple(fc.string({ unit: 'binary', maxLength: 4 }), fc.uint8Array({ maxLength: 3 }))
    .map(([text, rest]) => Buffer.concat([Buffer.from(text), rest])),
)

test('any key bytes become a distinct text, and the same bytes again', () => {
  fc.assert(
    fc.property(key, (bytes) => {
      const text = textOfKey(Buffer.from(bytes))
      expect(bytesOfKey(text)).toEqual(Buffer.from(bytes))
      expect(text.isWellFormed()).toBe(Buffer.from(Buffer.from(bytes).toString()).equals(Buffer.from(bytes)))
    }),
  )
})

test('keys that are not text compare like their bytes', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const order = compareKeys(textOfKey(Buffer.from(a)), textOfKey(Buffer.from(b)))
      expect(Math.sign(order)).toBe(Buffer.compare(a, b))
    }),
  )
})

test('the text before a key is valid text, and sorts before it', () => {
  fc.assert(
    fc.property(key, (bytes) => {
      const text = textOfKey(Buffer.from(bytes))
      const before = textBefore(text)
      expect(before.isWellFormed()).toBe(true)
      expect(compareKeys(before, text)).toBeLessThanOrEqual(0)
    }),
  )
})

test('a percent-encoded key becomes the same text as its bytes', () => {
  fc.assert(
    fc.property(key, (bytes) => {
      const encoded = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
      expect(percentDecoded(encoded)).toBe(textOfKey(Buffer.from(bytes)))
    }),
  )
  expect(percentDecoded('ä%zz')).toBeUndefined()
  expect(percentDecoded('ä%E9/%C3%A4')).toBe('ä\udce9/ä')
})

test('a key that is not text is printed with its bytes, so that no two look alike', () => {
  expect(printableKey('caf\udce9')).toBe('caf\\xe9')
  expect(printableKey('a\0b')).toBe('a\\x00b')
  expect(printableKey('a\ud83db')).toBe('a\\ud83db')
  expect(printableKey('ä😀')).toBe('ä😀')
})
