import { until } from '@sluice/testkit/sql.ts'
import { describe, expect, it } from 'vitest'
import { createQuota } from '../src/quota.ts'
import { createRate } from '../src/rate.ts'
import { createTurns } from '../src/turns.ts'

describe('a quota', () => {
  const open = () =>
    createQuota({ max: 4, perName: { viewer: 3, project: 2 }, refuse: (limit) => new Error(`no place: ${limit}`) })

  it('refuses a request above the limit of a name or of all, and then counts nothing', () => {
    const quota = open()
    quota.take({ viewer: 'a', project: 1 })
    quota.take({ viewer: 'a', project: 1 })
    expect(() => quota.take({ viewer: 'a', project: 1 })).toThrow('no place: project')
    quota.take({ viewer: 'a', project: 2 })
    expect(() => quota.take({ viewer: 'a', project: 3 })).toThrow('no place: viewer')
    expect(quota.count).toBe(3)
    quota.take({ project: 3 })
    expect(() => quota.take({})).toThrow('no place: process')
  })

  it('frees a place once, even if it is released several times', () => {
    const quota = open()
    const release = quota.take({ viewer: 'a', project: 1 })
    quota.take({ viewer: 'a', project: 1 })
    release()
    release()
    expect(quota.count).toBe(1)
    quota.take({ project: 1 })
    expect(() => quota.take({ project: 1 })).toThrow('no place: project')
  })
})

describe('a rate', () => {
  it('allows a burst, then the average rate, and returns when to retry, for each name separately', () => {
    let now = 0
    const rate = createRate({ perSecond: 2, burst: 3 }, () => now)
    expect([1, 2, 3, 4].map(() => rate.take('a'))).toEqual([0, 0, 0, 1])
    expect(rate.take('b')).toBe(0)
    now = 499
    expect(rate.take('a')).toBe(1)
    now = 500
    expect([1, 2].map(() => rate.take('a'))).toEqual([0, 1])
    now = 3_600_000
    expect([1, 2, 3, 4].map(() => rate.take('a'))).toEqual([0, 0, 0, 1])
  })

  it('below one per second returns how many seconds to wait', () => {
    const rate = createRate({ perSecond: 0.1, burst: 1 }, () => 0)
    expect([rate.take('a'), rate.take('a')]).toEqual([0, 10])
  })
})

describe('turns', () => {
  const never = new AbortController().signal

  it('limit the concurrent items of an owner; further items wait, once each, and other owners do not', async () => {
    const turns = createTurns(2)
    const ends = new Map<number, () => void>()
    const begun: number[] = []
    const work = (item: number) => {
      begun.push(item)
      return new Promise<void>((resolve) => ends.set(item, resolve))
    }
    const all = [1, 2, 3, 4, 3, 4].map((item) => turns.take(7, item, work, never))
    await Promise.all(all.slice(2))
    const other = turns.take(8, 9, work, never)
    expect(begun).toEqual([1, 2, 9])
    ends.get(1)!()
    await until(() => begun.length === 4)
    for (const item of [2, 3, 9]) ends.get(item)!()
    await until(() => begun.length === 5)
    ends.get(4)!()
    await Promise.all([...all, other])
    expect(begun).toEqual([1, 2, 9, 3, 4])
  })

  it('reject with an error after the other items, and then accept items again', async () => {
    const turns = createTurns(1)
    const gate = Promise.withResolvers<void>()
    const done: number[] = []
    const first = turns.take(7, 1, () => gate.promise.then(() => Promise.reject(new Error('a fault'))), never)
    await turns.take(7, 2, async () => {}, never)
    gate.resolve()
    await expect(first).rejects.toThrow('a fault')
    await turns.take(7, 3, async (item) => void done.push(item), never)
    expect(done).toEqual([3])
  })

  it('start nothing after an abort', async () => {
    const turns = createTurns(1)
    const stop = new AbortController()
    const gate = Promise.withResolvers<void>()
    const begun: number[] = []
    const work = (item: number) => {
      begun.push(item)
      return gate.promise
    }
    const first = turns.take(7, 1, work, stop.signal)
    await turns.take(7, 2, work, stop.signal)
    stop.abort()
    gate.resolve()
    await first
    expect(begun).toEqual([1])
  })
})
