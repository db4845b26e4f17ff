import { LRUCache } from 'lru-cache'
import type { Listener } from './listen.ts'

/** Triggers of migration 0010 notify this channel when a token, project, task or storage changes. */
const channel = 'sluice_access'
/** Limits the age of entries in case a connection is dead and nobody has noticed. */
const maxAgeMs = 5_000

/** Reads a value; undefined if it does not exist. */
export type Lookup<Value> = (key: string) => Promise<Value | undefined>

/** Caches what was read of tokens, projects, tasks and storages, until any of them changes in a relevant way. */
export interface AccessCache {
  /** The same lookup with a cache of at most `max` values. Missing values are not cached. */
  cached<Value extends object>(lookup: Lookup<Value>, options: { max: number }): Lookup<Value>
  /** Drops all entries. This process calls it before it responds to a request that changed something. */
  invalidate(): void
}

/**
 * Changes by this process invalidate the cache before the response; changes by others when their commit notifies us, within
 * milliseconds. While the LISTEN connection is down the cache is bypassed.
 */
export function createAccessCache(listener: Listener): AccessCache {
  let epoch = 0
  const invalidate = () => {
    epoch++
  }
  listener.on(channel, invalidate)
  return {
    invalidate,
    cached<Value extends object>(lookup: Lookup<Value>, { max }: { max: number }): Lookup<Value> {
      // Without a resolution the cache sets a timer for each millisecond in which it is used.
      const entries = new LRUCache<string, { value: Value; epoch: number }>({ max, ttl: maxAgeMs, ttlResolution: 250 })
      return async (key) => {
        const before = epoch
        const entry = listener.isListening && entries.get(key)
        if (entry && entry.epoch === before) return entry.value
        const value = await lookup(key)
        // The lookup may have missed a change; its notification arrives after the commit, so after this.
        if (value && listener.isListening && epoch === before) entries.set(key, { value, epoch })
        return value
      }
    },
  }
}
