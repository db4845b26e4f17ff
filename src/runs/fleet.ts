import { randomUUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Logger } from '../logger.ts'
import { execute } from '../sql.ts'

/** Seconds without a heartbeat after which a worker's slots no longer count. */
export const workerTimeoutSeconds = 15

const heartbeatMs = 3_000

/**
 * Registers `slots` slots of this process for imports, and as many for exports. The returned function removes them. The slots of a
 * process that dies expire after `workerSilenceSeconds`, by the database's clock.
 */
export async function joinFleet(
  { em, logger }: { em: EntityManager; logger: Logger },
  slots: number,
): Promise<() => Promise<void>> {
  const id = randomUUID()
  const sendHeartbeat = () =>
    execute(
      em,
      sql`with gone as (delete from worker where seen_at < now() - interval '1 hour')
       insert into worker (id, slots) values (${id}, ${slots}) on conflict (id) do update set seen_at = now()`,
    )
  await sendHeartbeat()
  let current: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    current = sendHeartbeat().catch((err) => logger.warn({ err }, 'the heartbeat of this worker could not be saved'))
  }, heartbeatMs)
  return async () => {
    clearInterval(timer)
    await current
    await execute(em, sql`delete from worker where id = ${id}`)
  }
}
