import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import pg from 'pg'
import type { Logger } from '../logger.ts'

/** The database tells of changes here (migration 0010). */
const channel = 'sluice_access'
/** Nothing is remembered for longer, should a connection be dead without a sign. */
const longestMs = 5_000

/** Looks something up; undefined when there is none. */
export type Lookup<Value> = (key: string) => Promise<Value | undefined>

/** What was read of tokens, projects, tasks and storages may be remembered until any of them changes in a way that matters. */
export interface AccessChanges {
  /** Connects; nothing is remembered before. */
  start(): Promise<void>
  /** The same lookup with a memory of at most `max` answers; that there is nothing is not remembered. */
  remember<Value extends object>(lookup: Lookup<Value>, options: { max: number }): Lookup<Value>
  /** Forgets everything: called before a change that this process has made is answered. */
  forget(): void
  stop(): Promise<void>
}

/**
 * One LISTEN connection per process. Changes of this process are heeded before whoever asked for them is answered, those of
 * others when the notification of their commit arrives, within milliseconds. While there is no connection nothing is
 * remembered, so that each answer is read from the database after the question.
 */
export function createAccessChanges(connection: pg.ClientConfig, logger: Logger): AccessChanges {
  let epoch = 0
  let client: pg.Client | undefined
  let stopped = false

  const forget = () => {
    epoch++
  }

  async function listen(): Promise<void> {
    const fresh = new pg.Client({ ...connection, keepAlive: true })
    fresh.on('notification', forget)
    fresh.on('error', () => {})
    fresh.on('end', () => {
      if (client !== fresh || stopped) return
      client = undefined
      void reconnect()
    })
    await fresh.connect()
    await fresh.query(`listen ${channel}`)
    forget()
    client = fresh
  }

  async function reconnect(): Promise<void> {
    for (let delayMs = 100; !stopped && !client; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        await listen()
      } catch (error) {
        logger.warn({ err: error }, 'changes of access cannot be heard of yet')
        await sleep(delayMs, undefined, { ref: false })
      }
    }
  }

  return {
    start: listen,
    forget,
    remember<Value extends object>(lookup: Lookup<Value>, { max }: { max: number }): Lookup<Value> {
      const known = new LRUCache<string, { value: Value; epoch: number }>({ max, ttl: longestMs })
      return async (key) => {
        const before = epoch
        const kept = client && known.get(key)
        if (kept?.epoch === before) return kept.value
        const value = await lookup(key)
        // A change that the lookup may not have seen is told after its commit, and so after this.
        if (value && client && epoch === before) known.set(key, { value, epoch })
        return value
      }
    },
    async stop() {
      stopped = true
      await client?.end()
    },
  }
}
