import { describe, expect, it } from 'vitest'
import type { ValidationError } from '../../src/errors.ts'
import { createObjectFilter } from '../../src/storages/object-filter.ts'

const now = new Date('2026-01-02T00:00:00Z')
const object = { key: 'img/a.jpg', size: 10, lastModified: new Date('2026-01-01T00:00:00Z') }

/** The rule that leaves a key out. */
const ruleOf = (regexFilter: string | null, key: string) =>
  createObjectFilter({ regexFilter, filters: null })({ ...object, key, size: key.endsWith('/') ? 0 : 10 })

describe('the filter of keys', () => {
  it.each([
    [null, 'any/key', true],
    ['', 'any/key', true],
    ['img', 'img/a.jpg', true],
    ['img', 'x/img/a.jpg', false],
    ['.*\\.jpg', 'img/a.jpg', true],
    ['.*\\.jpg', 'img/a.jpg.txt', true],
    ['.*\\.jpg$', 'img/a.jpg.txt', false],
    ['a|b', 'b', true],
    ['(?i)IMG', 'img/a', true],
    ['ü\\p{L}', 'üé', true],
    ['.', '\n', false],
    ['.*', 'img/', false],
    [null, 'img/', false],
  ])('%j on %j is %s', (pattern, key, taken) => {
    expect(ruleOf(pattern, key) === null).toBe(taken)
  })

  it.each([
    [0, 'FOLDER_MARKER'],
    [1, null],
  ])('a key that ends in a slash, with %i bytes, gives %s', async (size, rule) => {
    const filter = createObjectFilter({ regexFilter: null, filters: { minBytes: 0 } })
    const marked = { ...object, key: 'img/', size }
    expect([filter(marked), ...(await filter.all([marked]))]).toEqual([rule, rule])
  })

  it.each(['(', '[', 'a{2,1}', '(?=a)', '(?<!a)b', '(a)\\1', '*'])('refuses %s as invalid', (pattern) => {
    expect(() => ruleOf(pattern, 'a')).toThrow(expect.objectContaining({ code: 'VALIDATION' }))
  })

  it('takes time linear in the key, whatever the pattern', () => {
    // Any engine that tries again from the left would need some 2^50 steps for these.
    const key = `${'a'.repeat(5_000)}!`
    for (const pattern of ['(a+)+$', '(a|a)*$', '(a*)*b', '(.*)*x']) expect(ruleOf(pattern, key)).toBe('REGEX')
  })
})

describe('the filters of objects', () => {
  it.each([
    [{ include: ['img/*.jpg'] }, null],
    [{ include: ['*.jpg'] }, 'INCLUDE'],
    [{ include: ['**/*.jpg', 'x'] }, null],
    [{ include: ['**/*.{jpg,png}'] }, null],
    [{ include: ['img/?.jpg'] }, null],
    [{ include: ['IMG/*'] }, 'INCLUDE'],
    [{ exclude: ['img/**'] }, 'EXCLUDE'],
    [{ include: ['**'], exclude: ['**/b*'] }, null],
    [{ minBytes: 10, maxBytes: 10 }, null],
    [{ minBytes: 11 }, 'TOO_SMALL'],
    [{ maxBytes: 9 }, 'TOO_LARGE'],
    [{ minAgeSeconds: 86_400, maxAgeSeconds: 86_400 }, null],
    [{ minAgeSeconds: 86_401 }, 'TOO_NEW'],
    [{ maxAgeSeconds: 86_399 }, 'TOO_OLD'],
    [{ sample: { take: 1, of: 1 } }, null],
  ])('%j on an object of 10 bytes and a day: %s', (filters, rule) => {
    expect(createObjectFilter({ regexFilter: null, filters }, now)(object)).toBe(rule)
  })

  it('sample the same objects every time, about as many as requested', () => {
    const sampled = () => {
      const filter = createObjectFilter({ regexFilter: null, filters: { sample: { take: 3, of: 10 } } })
      return Array.from({ length: 10_000 }, (_, n) => `data/${n}.jpg`).filter((key) => !filter({ ...object, key }))
    }
    expect(sampled()).toEqual(sampled())
    expect(Math.abs(sampled().length - 3_000)).toBeLessThan(200)
  })

  it('report every error with its path', () => {
    const filters = {
      ...{ include: ['a', ''], minBytes: 5, maxBytes: 4, maxAgeSeconds: -1, maxObjects: 0 },
      sample: { take: 2, of: 1 },
    }
    const faults = (() => {
      try {
        createObjectFilter({ regexFilter: '(', filters })
      } catch (error) {
        return (error as ValidationError).fieldErrors.map(({ path }) => path)
      }
    })()
    expect(faults).toEqual([
      ...['regexFilter', 'filters.include.1', 'filters.maxAgeSeconds', 'filters.maxBytes'],
      ...['filters.maxAgeSeconds', 'filters.maxObjects', 'filters.sample'],
    ])
  })
})
