import { describe, expect, it } from 'vitest'
import { forEachBounded } from '../../src/sync/bounded.ts'
import { createKeyFilter } from '../../src/sync/key-filter.ts'

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
    expect(createKeyFilter(pattern)(key)).toBe(taken)
  })

  it.each(['(', '[', 'a{2,1}', '(?=a)', '(?<!a)b', '(a)\\1', '*'])('refuses %s as invalid', (pattern) => {
    expect(() => createKeyFilter(pattern)).toThrow(expect.objectContaining({ code: 'VALIDATION' }))
  })

  it('takes time linear in the key, whatever the pattern', () => {
    // Any engine that tries again from the left would need some 2^50 steps for these.
    const key = `${'a'.repeat(5_000)}!`
    for (const pattern of ['(a+)+$', '(a|a)*$', '(a*)*b', '(.*)*x']) expect(createKeyFilter(pattern)(key)).toBe(false)
  })
})

describe('bounded work', () => {
  it('does all items, starting in order, with no more at a time than allowed', async () => {
    const started: number[] = []
    let now = 0
    let most = 0
    const items = Array.from({ length: 50 }, (_, i) => i)
    await forEachBounded(items, 4, async (item) => {
      started.push(item)
      most = Math.max(most, ++now)
      await Promise.resolve()
      now--
    })
    expect(started).toEqual(items)
    expect(most).toBe(4)
    await forEachBounded([], 4, async () => expect.unreachable())
  })

  it('stops at the first fault, waits for what is under way and throws that fault', async () => {
    const gate = Promise.withResolvers<void>()
    let ended = false
    const started: number[] = []
    const work = forEachBounded([1, 2, 3, 4], 2, async (item) => {
      started.push(item)
      if (item === 1) throw new Error('first')
      await gate.promise
      ended = true
      throw new Error('second')
    })
    gate.resolve()
    await expect(work).rejects.toThrow('first')
    expect([started, ended]).toEqual([[1, 2], true])
  })
})
