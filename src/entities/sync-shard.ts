import { defineEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/**
 * A range of keys of the bucket that a run lists: behind `after`, up to `until`. A run begins with one range of everything;
 * workers that have nothing to do split what others have before them. Who holds a range alone may write what is in it.
 */
export const SyncShardEntity = defineEntity({
  name: 'SyncShard',
  tableName: 'sync_shard',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    number: p.integer().primary(),
    /** Null = from the beginning. */
    after: p.text().collation('C').nullable(),
    /** The last key of the range; null = to the end. */
    until: p.text().collation('C').nullable(),
    /** Where the listing continues: the provider's cursor, committed with the page it follows; null = at the beginning. */
    cursor: p.text().collation('C').nullable(),
    /** The last key that was listed. */
    lastKey: p.text().collation('C').nullable(),
    pages: p.integer().default(0),
    done: p.boolean().default(false),
    /** The worker that holds it, and for which attempt of the run; one whose heartbeat is too old holds it no more. */
    holder: p.text().nullable(),
    attempt: p.integer().default(0),
    heartbeatAt: p.datetime().defaultRaw('now()'),
  },
})
