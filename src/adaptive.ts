/** Limits concurrent calls. The limit falls when the remote side asks to slow down (AIMD, as in TCP congestion control). */
export interface AdaptiveLimit {
  /** Runs `work` as soon as fewer calls than the limit are in progress. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** Halves the limit. Afterwards it rises by one whenever as many calls as the limit have succeeded. */
  slowDown(): void
}

/** Allows at most `max` concurrent calls. */
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
      await new Promise<void>((start) => {
        waiting.push(start)
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
