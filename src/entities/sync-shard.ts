import { defineEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/**
 * A range of the keys that a run lists: after `after`, up to and including `until`. A run begins with one range of all keys. Idle
 * workers split the remaining part of ranges. Only the worker with the lease of a range may write its objects.
 */
export const SyncShardEntity = defineEntity({
  name: 'SyncShard',
  tableName: 'sync_shard',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    number: p.integer().primary(),
    /** Null: from the beginning. */
    after: p.text().collation('C').nullable(),
    /** The last key of the range. Null: to the end. */
    until: p.text().collation('C').nullable(),
    /** The checkpoint: the cursor of the provider, committed with the page before it. Null: at the beginning. */
    cursor: p.text().collation('C').nullable(),
    /** The last key that was listed. */
    lastKey: p.text().collation('C').nullable(),
    /** The worker has begun to read objects up to this key, so nobody may split the range before it. */
    readsTo: p.text().collation('C').nullable(),
    pages: p.integer().default(0),
    done: p.boolean().default(false),
    /** The worker with the lease, and the attempt of the run. The lease expires when its heartbeats stop. */
    holder: p.text().nullable(),
    attempt: p.integer().default(0),
    heartbeatAt: p.datetime().defaultRaw('now()'),
  },
})
