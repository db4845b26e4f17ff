import { defineEntity, p } from '@mikro-orm/core'
import { SyncRunEntity } from './sync-run.ts'

/** An annotation that a client has chosen for an export (a run of kind CHOSEN). */
export const ChosenAnnotationEntity = defineEntity({
  name: 'ChosenAnnotation',
  tableName: 'chosen_annotation',
  properties: {
    run: () => p.manyToOne(SyncRunEntity).mapToPk().deleteRule('cascade').primary().index(false),
    /** No foreign key, because the annotation can be deleted before it is exported. */
    annotation: p.bigint('number').primary(),
  },
})
