import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isJsonObject, parseJson } from '../src/json.ts'

const through = (text: string) => JSON.stringify(parseJson(text))

describe('reading JSON', () => {
  it('keeps the digits of every integer', () => {
    fc.assert(
      fc.property(fc.bigInt(), (n) => {
        expect(through(`{"n":[${n}]}`)).toBe(`{"n":[${n}]}`)
      }),
    )
  })

  it('is JSON.parse for everything that JavaScript can hold', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  it.each(['9007199254740993', '-9007199254740993', '123456789012345678901234567890', '1e400', '-1E+999'])(
    'preserves %s',
    (text) => {
      expect(through(text)).toBe(text)
      expect(through(`{"a":{"b":[${text},1]}}`)).toBe(`{"a":{"b":[${text},1]}}`)
    },
  )

  it.each(['-123456789012345.678', '0.12345678901234567890123', '1.000000000000000001e5', '1e-400'])(
    'keeps the digits of the fraction %s, which JavaScript would round',
    (text) => {
      expect(through(`{"data":{"n":[${text}, 0.5]}}`)).toBe(`{"data":{"n":[${text},0.5]}}`)
    },
  )

  it.each([
    '0.30000000000000004',
    '1.7976931348623157e+308',
    '5e-324',
    '100000000000000000000.00e-2',
    '-0.10000000000000000000',
  ])('reads %s, which JavaScript does not round, as a number', (text) => {
    expect(parseJson(`[${text}]`)).toEqual([Number(text)])
  })

  it.each(['0.1', '1e10', '9007199254740991', '1234567890.12345', '-0.5'])('reads %s as a number', (text) => {
    expect(parseJson(text)).toBe(Number(text))
  })

  it('leaves digits in texts alone', () => {
    const text = '{"12345678901234567890":"12345678901234567890"}'
    expect(through(text)).toBe(text)
  })

  it('distinguishes an object from everything else', () => {
    expect(
      ['{}', '[]', 'null', '1', '"x"', '12345678901234567890'].map((text) => isJsonObject(parseJson(text))),
    ).toEqual([true, false, false, false, false, false])
  })
})
