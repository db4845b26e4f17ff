import { defineEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/**
 * Keys that a run stores until its end. MISSING: linked keys that were not listed. SEEN: all listed keys, for listings without
 * an order. UNREAD: folders (with their `/`) and objects that could not be listed. SHRUNK: in a dry run, objects that have lost
 * rows. CHOSEN: the keys that a client has chosen. MOVED: the former keys of moved objects, and the keys that a RELOCATE run has not
 * processed yet.
 */
export const SyncKeyEntity = defineEntity({
  name: 'SyncKey',
  tableName: 'sync_key',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    kind: p.enum(['MISSING', 'SEEN', 'UNREAD', 'SHRUNK', 'CHOSEN', 'MOVED'] as const).primary(),
    key: p.text().collation('C').primary(),
    /** For SHRUNK: number of linked rows that the object no longer has. */
    rows: p.integer().nullable(),
    /** For MOVED: the new key of the object. */
    toKey: p.text().collation('C').nullable(),
  },
})
