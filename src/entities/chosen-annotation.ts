import { defineEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/** An annotation that a person has picked for an export (a run of kind CHOSEN). */
export const ChosenAnnotationEntity = defineEntity({
  name: 'ChosenAnnotation',
  tableName: 'chosen_annotation',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    /** No foreign key: it may be deleted meanwhile. */
    annotation: p.bigint('number').primary(),
  },
})
