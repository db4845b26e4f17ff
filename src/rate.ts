import { LRUCache } from 'lru-cache'

/** A rate limit: `perSecond` events on average, and a burst of `burst` events. */
interface RateLimit {
  perSecond: number
  burst: number
}

/** Counts one event. Returns 0 if it is allowed, otherwise the whole seconds until the next one is allowed. */
type Take = () => number

/** A rate limit for each name, such as each token. */
interface Rate {
  take(name: string): number
}

type Clock = () => number
const monotonic: Clock = () => performance.now()

/**
 * Creates a token bucket. Unlike the fixed window of a library, it spreads events evenly, knows the exact time of the next
 * allowed event, and needs no timer. `now` is a clock in milliseconds.
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

// Least recently used names are evicted and start again with a full bucket. The memory for all names is about 10 MiB.
const maxNames = 50_000

/** Creates a token bucket for each of the most recently used names. */
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
