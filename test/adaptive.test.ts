import { describe, expect, it } from 'vitest'
import { createAdaptiveLimit } from '../src/adaptive.ts'

/** Calls that end when they are told to, and how many are at work. */
function calls(limit: ReturnType<typeof createAdaptiveLimit>) {
  const ends: (() => void)[] = []
  return {
    active: () => ends.length,
    start(count: number) {
      for (let n = 0; n < count; n++) limit.run(() => new Promise<void>((end) => ends.push(end)))
    },
    async end(count: number) {
      for (const end of ends.splice(0, count)) end()
      await new Promise(setImmediate)
    },
  }
}

describe('the limit of concurrent calls', () => {
  it('is halved by each slowDown, at least to one, and rises by one after that many successful calls', async () => {
    const limit = createAdaptiveLimit(8)
    const work = calls(limit)
    work.start(100)
    await work.end(0)
    expect(work.active()).toBe(8)

    limit.slowDown()
    await work.end(8)
    // Those that were at work count as having worked.
    expect(work.active()).toBeLessThan(8)
    for (let n = 0; n < 5; n++) limit.slowDown()
    await work.end(work.active())
    const few = work.active()
    expect(few).toBeLessThanOrEqual(3)
    for (let n = 0; n < 40; n++) await work.end(1)
    expect(work.active()).toBe(8)
  })
})
