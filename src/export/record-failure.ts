import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { recordEvent } from '../events/log.ts'
import { execute } from '../sql.ts'

/**
 * Commits failed writes of pending exports by `save`. If no other pending export of the storage had failed before, it also
 * records an event about the storage, so that a storage that stays unavailable has one event.
 */
export async function recordFailure(
  em: EntityManager,
  storage: number,
  save: (tx: EntityManager) => Promise<unknown>,
): Promise<void> {
  await em.fork().transactional(async (tx) => {
    // Two processes that fail at the same time wait for each other here.
    await execute(tx, sql`select pg_advisory_xact_lock(hashtext('sluice export failures'), ${storage}::int)`)
    const failed = await execute(
      tx,
      sql`select from outbox where storage_id = ${storage} and failure is not null limit 1`,
    )
    await save(tx)
    if (failed.length === 0) await recordEvent(tx, 'STATUS', { type: 'STORAGE', id: storage })
  })
}
