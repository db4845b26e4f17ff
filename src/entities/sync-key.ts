import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/**
 * Keys that a run keeps in mind until its end: those that are linked but were not listed where they belong (MISSING), and,
 * where a listing has no order that would tell, all that were listed (SEEN).
 */
export const SyncKeyEntity = defineEntity({
  name: 'SyncKey',
  tableName: 'sync_key',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    kind: p.enum(['MISSING', 'SEEN'] as const).primary(),
    key: p.text().collation('C').primary(),
  },
})

export type SyncKey = InferEntity<typeof SyncKeyEntity>
