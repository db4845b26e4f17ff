import { LRUCache } from 'lru-cache'
import type { Listener } from './listen.ts'

/** The database tells of changes here (migration 0010). */
const channel = 'sluice_access'
/** Nothing is remembered for longer, should a connection be dead without a sign. */
const longestMs = 5_000

/** Looks something up; undefined when there is none. */
export type Lookup<Value> = (key: string) => Promise<Value | undefined>

/** What was read of tokens, projects, tasks and storages may be remembered until any of them changes in a way that matters. */
export interface AccessChanges {
  /** The same lookup with a memory of at most `max` answers; that there is nothing is not remembered. */
  remember<Value extends object>(lookup: Lookup<Value>, options: { max: number }): Lookup<Value>
  /** Forgets everything: called before a change that this process has made is answered. */
  forget(): void
}

/**
 * Changes of this process are heeded before whoever asked for them is answered, those of others when the notification of their
 * commit arrives, within milliseconds. While the database is not listened to nothing is remembered, so that each answer is read
 * from it after the question.
 */
export function createAccessChanges(listener: Listener): AccessChanges {
  let epoch = 0
  const forget = () => {
    epoch++
  }
  listener.on(channel, forget)
  return {
    forget,
    remember<Value extends object>(lookup: Lookup<Value>, { max }: { max: number }): Lookup<Value> {
      // Without a resolution the cache sets a timer for each millisecond in which it is asked.
      const known = new LRUCache<string, { value: Value; epoch: number }>({ max, ttl: longestMs, ttlResolution: 250 })
      return async (key) => {
        const before = epoch
        const kept = listener.isListening && known.get(key)
        if (kept && kept.epoch === before) return kept.value
        const value = await lookup(key)
        // A change that the lookup may not have seen is told after its commit, and so after this.
        if (value && listener.isListening && epoch === before) known.set(key, { value, epoch })
        return value
      }
    },
  }
}
