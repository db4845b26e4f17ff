import { LRUCache } from 'lru-cache'

/** How often something may happen: `perSecond` times in the long run, and `burst` times at once. */
export interface RateLimit {
  perSecond: number
  burst: number
}

/** Counts one event. 0 if it may happen, otherwise the whole seconds until the next one may. */
export type Take = () => number

/** Limits how often something may happen under each name, such as requests with one token. */
export interface Rate {
  take(name: string): number
}

type Clock = () => number
const monotonic: Clock = () => performance.now()

/**
 * A token bucket. Not a library's fixed window: it spreads what is allowed evenly, tells exactly when to come back, and needs no
 * timer. `now` is a clock in milliseconds.
 */
export function createBucket({ perSecond, burst }: RateLimit, now: Clock = monotonic): Take {
  let left = burst
  let last = now()
  return () => {
    const at = now()
    left = Math.min(burst, left + ((at - last) / 1_000) * perSecond)
    last = at
    if (left < 1) return Math.max(1, Math.ceil((1 - left) / perSecond))
    left--
    return 0
  }
}

// A name that is not among the last so many starts anew; the memory for them is about 10 MiB.
const maxNames = 50_000

/** A bucket for each of the names that were used last. */
export function createRate(limit: RateLimit, now: Clock = monotonic): Rate {
  const buckets = new LRUCache<string, Take>({ max: maxNames })
  return {
    take(name) {
      let bucket = buckets.get(name)
      if (!bucket) {
        bucket = createBucket(limit, now)
        buckets.set(name, bucket)
      }
      return bucket()
    },
  }
}
