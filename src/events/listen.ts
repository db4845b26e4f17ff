import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from '../logger.ts'

/** The name of the connection in `pg_stat_activity`. */
const applicationName = 'sluice listener'

/** Notifications of the database, over one connection for all channels. */
export interface Listener {
  /**
   * Calls `handler` for each notification on the channel, and after each (re)connection, because notifications before it are
   * lost. Call it for all channels before `start`.
   */
  on(channel: string, handler: () => void): void
  /** Whether notifications arrive now. A ping detects a connection that died without a sign. */
  readonly isListening: boolean
  /** Resolves when it listens. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * One LISTEN connection per process, besides that of the job queue's library. It reconnects when the connection is lost, or
 * when a ping is not answered before the next one, `pingMs` later.
 */
export function createListener(connection: pg.ClientConfig, logger: Logger, { pingMs = 5_000 } = {}): Listener {
  const handlers = new Map<string, (() => void)[]>()
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
    // Also after a failed ping: the other side of a dead connection sends no end.
    const lose = () => {
      clearInterval(pinging)
      if (client !== fresh) return
      client = undefined
      end()
      if (!stopped) void reconnect()
    }
    fresh.on('notification', ({ channel }) => {
      for (const handler of handlers.get(channel) ?? []) handler()
    })
    fresh.on('error', () => {})
    fresh.on('end', lose)
    try {
      await fresh.connect()
      await fresh.query([...handlers.keys()].map((channel) => `listen ${channel}`).join('; '))
    } catch (error) {
      end()
      throw error
    }
    if (stopped) return end()
    pinging = setInterval(() => fresh.query('select 1').catch(lose), pingMs).unref()
    client = fresh
    for (const handler of [...handlers.values()].flat()) handler()
  }

  async function reconnect(): Promise<void> {
    for (let delayMs = 100; !stopped && !client; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        await listen()
      } catch (error) {
        logger.warn({ err: error }, 'LISTEN failed and will be retried')
        await sleep(delayMs, undefined, { ref: false })
      }
    }
  }

  return {
    on(channel, handler) {
      handlers.set(channel, [...(handlers.get(channel) ?? []), handler])
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
