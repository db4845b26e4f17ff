import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../logger.ts'

/** By this name administrators find the connection in `pg_stat_activity`. */
const applicationName = 'sluice listener'

/** What this process hears from the database: one connection for all channels. */
export interface Listener {
  /**
   * Calls `heed` for each notification on the channel, and whenever listening has begun or begun again, since nothing was heard
   * before. All channels are named before `start`.
   */
  on(channel: string, heed: () => void): void
  /** Whether what is told now will be heard. A connection that is dead without a sign is found out by a ping. */
  readonly isListening: boolean
  /** Resolves when it listens. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * One LISTEN connection per process. (The job queue's library has another one, of its own pool and on its own channel.) When it
 * is lost, or a ping is not answered within the `pingMs` until the next, it is made anew.
 */
export function createListener(connection: pg.ClientConfig, logger: Logger, { pingMs = 5_000 } = {}): Listener {
  const heeds = new Map<string, (() => void)[]>()
  let client: pg.Client | undefined
  let stopped = false

  async function listen(): Promise<void> {
    const fresh = new pg.Client({
      ...connection,
      application_name: applicationName,
      connectionTimeoutMillis: pingMs,
      query_timeout: pingMs,
    })
    const end = () => void fresh.end().catch(() => {})
    let pinging: NodeJS.Timeout | undefined
    // Not only when it has ended: the other side of one that is silent says no goodbye either.
    const lose = () => {
      clearInterval(pinging)
      if (client !== fresh) return
      client = undefined
      end()
      if (!stopped) void reconnect()
    }
    fresh.on('notification', ({ channel }) => {
      for (const heed of heeds.get(channel) ?? []) heed()
    })
    fresh.on('error', () => {})
    fresh.on('end', lose)
    try {
      await fresh.connect()
      await fresh.query([...heeds.keys()].map((channel) => `listen ${channel}`).join('; '))
    } catch (error) {
      end()
      throw error
    }
    if (stopped) return end()
    pinging = setInterval(() => fresh.query('select 1').catch(lose), pingMs).unref()
    client = fresh
    for (const heed of [...heeds.values()].flat()) heed()
  }

  async function reconnect(): Promise<void> {
    for (let delayMs = 100; !stopped && !client; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        await listen()
      } catch (error) {
        logger.warn({ err: error }, 'the database cannot be listened to yet')
        await sleep(delayMs, undefined, { ref: false })
      }
    }
  }

  return {
    on(channel, heed) {
      heeds.set(channel, [...(heeds.get(channel) ?? []), heed])
    },
    get isListening() {
      return client !== undefined
    },
    start: listen,
    async stop() {
      stopped = true
      await client?.end()
    },
  }
}
