import { describe, expect, it } from 'vitest'
import { boundRange, isSatisfiable, parseRanges } from '../../src/resolve/range.ts'

describe('a Range header', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['bytes=0-0', [{ start: 0, end: 0 }]],
    ['bytes=2-5', [{ start: 2, end: 5 }]],
    ['BYTES=2-5', [{ start: 2, end: 5 }]],
    ['bytes= 2-5 ', [{ start: 2, end: 5 }]],
    ['bytes=0-', [{ start: 0 }]],
    ['bytes=-10', [{ suffix: 10 }]],
    ['bytes=-0', [{ suffix: 0 }]],
    [
      'bytes=1-2,5-6',
      [
        { start: 1, end: 2 },
        { start: 5, end: 6 },
      ],
    ],
    ['bytes=1-2 ,\t, -3', [{ start: 1, end: 2 }, { suffix: 3 }]],
    ['bytes=99999999999999999999999-', [{ start: 2 ** 52 }]],
    ['bytes=5-2', undefined],
    ['bytes=1-2,5-4', undefined],
    ['bytes=-', undefined],
    ['bytes=', undefined],
    ['bytes=,', undefined],
    ['bytes=a-b', undefined],
    ['bytes=1-2x', undefined],
    ['bytes=1.5-2', undefined],
    ['bytes=--5', undefined],
    ['bytes 1-2', undefined],
    ['items=1-2', undefined],
    [`bytes=${Array(17).fill('0-0').join()}`, undefined],
  ])('%j means %j', (header, ranges) => {
    expect(parseRanges(header)).toEqual(ranges)
  })

  it.each([
    [{ start: 0 }, 100, { start: 0, end: 99 }],
    [{ start: 50 }, 100, { start: 50, end: 149 }],
    [{ start: 0, end: 0 }, 100, { start: 0, end: 0 }],
    [{ start: 0, end: 1000 }, 100, { start: 0, end: 99 }],
    [{ suffix: 100 }, 100, { suffix: 100 }],
    [{ suffix: 300 }, 100, { suffix: 100 }],
    [{ start: 50 }, Infinity, { start: 50 }],
    [{ start: 0, end: 1000 }, Infinity, { start: 0, end: 1000 }],
    [{ suffix: 300 }, Infinity, { suffix: 300 }],
  ])('%j limited to %d bytes is %j', (range, maxBytes, bounded) => {
    expect(boundRange(range, maxBytes)).toEqual(bounded)
  })

  it.each([
    [{ start: 9 }, 10, true],
    [{ start: 10 }, 10, false],
    [{ start: 0 }, 0, false],
    [{ suffix: 1 }, 10, true],
    [{ suffix: 0 }, 10, false],
    [{ suffix: 5 }, 0, true],
  ])('%j of %j bytes can be satisfied: %j', (range, size, is) => {
    expect(isSatisfiable(range, size)).toBe(is)
  })
})
