import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Logger } from '../logger.ts'
import { sql } from '../sql.ts'

/** A worker that was not seen for so long is gone: its slots no longer count. */
export const workerSilenceSeconds = 15

const beatMs = 3_000

/**
 * Tells the fleet that this process has `slots` slots for imports, and as many for exports. Resolves when they count; returns
 * what takes them back. A process that dies is forgotten after `workerSilenceSeconds`, by the database's clock.
 */
export async function joinFleet(
  { em, logger }: { em: EntityManager; logger: Logger },
  slots: number,
): Promise<() => Promise<void>> {
  const id = randomUUID()
  const tell = () =>
    sql(
      em,
      `with gone as (delete from worker where seen_at < now() - interval '1 hour')
       insert into worker (id, slots) values ($1, $2) on conflict (id) do update set seen_at = now()`,
      [id, slots],
    )
  await tell()
  let current: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    current = tell().catch((err) => logger.warn({ err }, 'the fleet cannot be told of this worker'))
  }, beatMs)
  return async () => {
    clearInterval(timer)
    await current
    await sql(em, 'delete from worker where id = $1', [id])
  }
}
