import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Logger } from '../logger.ts'
import { sql } from '../sql.ts'

/** What is done again and again somewhere in the fleet. It may be cut off at any point, and made anew by another process. */
export interface Round {
  /** Pause between the end of one round and the begin of the next. */
  everySeconds: number
  make: () => Promise<void>
}

const lookMs = 1_000
const beatMs = 3_000

/**
 * Makes the rounds that are due, by the clock of the database alone: the process that makes one holds its row meanwhile, so
 * that there is one at a time in the whole fleet, and another goes on at once when that process dies. Not repeating jobs of
 * the queue, since those go by the clocks of the machines. Returns what ends it; resolves when this process's rounds are made.
 */
export function startRounds(
  { em, logger }: { em: EntityManager; logger: Logger },
  rounds: Record<string, Round>,
): () => Promise<void> {
  const stopping = new AbortController()
  const current = new Map<string, Promise<void>>()

  const makeOne = (name: string, { everySeconds, make }: Round) =>
    em
      .fork()
      .transactional(async (tx) => {
        const held = 'select name from round where name = $1 and due_at <= now() for update skip locked'
        if ((await sql(tx, held, [name])).length === 0) return
        // The database ends a session that says nothing in a transaction, as that of a process that stands still.
        const beat = setInterval(() => sql(tx, 'select 1').catch(() => {}), beatMs)
        await make().finally(() => clearInterval(beat))
        const next = 'update round set due_at = clock_timestamp() + make_interval(secs => $2) where name = $1'
        await sql(tx, next, [name, everySeconds])
      })
      .catch((err) => logger.warn({ err, round: name }, 'a round was cut off, and is made again'))
      .finally(() => current.delete(name))

  const look = async () => {
    const names = Object.keys(rounds)
    await sql(em.fork(), 'insert into round (name) select unnest($1::text[]) on conflict do nothing', [names])
    while (!stopping.signal.aborted) {
      const due = await sql<{ name: string }>(em.fork(), 'select name from round where due_at <= now()')
      for (const { name } of due) {
        const round = rounds[name]
        if (round && !current.has(name)) current.set(name, makeOne(name, round))
      }
      await sleep(lookMs, undefined, { signal: stopping.signal })
    }
  }
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      await look().catch((err) => {
        if (!stopping.signal.aborted) logger.warn({ err }, 'nobody can see which rounds are due')
      })
      await sleep(lookMs, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })()
  return async () => {
    stopping.abort()
    await looking
    await Promise.all(current.values())
  }
}
