import { defineEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/**
 * Keys that a run keeps in mind until its end: those that are linked but were not listed where they belong (MISSING), and,
 * where a listing has no order that would tell, all that were listed (SEEN); folders, with their `/`, and objects that could not
 * be listed (UNREAD). A dry run also keeps the objects that have lost rows (SHRUNK). CHOSEN are the keys that a client has chosen.
 */
export const SyncKeyEntity = defineEntity({
  name: 'SyncKey',
  tableName: 'sync_key',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    kind: p.enum(['MISSING', 'SEEN', 'UNREAD', 'SHRUNK', 'CHOSEN'] as const).primary(),
    key: p.text().collation('C').primary(),
    /** Of SHRUNK: number of linked rows that the object no longer has. */
    rows: p.integer().nullable(),
  },
})
