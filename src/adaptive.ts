/** Runs calls at most so many at a time, and fewer while the other side asks to slow down. */
export interface AdaptiveLimit {
  /** Waits for a free place, works, and frees it. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** The other side asked to slow down: half as many at a time from now on, and one more after each such number that worked. */
  slowDown(): void
}

/** At most `max` calls at a time. */
export function createAdaptiveLimit(max: number): AdaptiveLimit {
  let limit = max
  let active = 0
  const waiting: (() => void)[] = []
  const next = () => {
    while (active < Math.floor(limit) && waiting.length > 0) {
      active++
      waiting.shift()!()
    }
  }
  return {
    async run(work) {
      await new Promise<void>((enter) => {
        waiting.push(enter)
        next()
      })
      try {
        const value = await work()
        limit = Math.min(max, limit + 1 / limit)
        return value
      } finally {
        active--
        next()
      }
    },
    slowDown() {
      limit = Math.max(1, limit / 2)
    },
  }
}
