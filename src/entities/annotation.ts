import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { Json } from '../json.ts'
import { TaskEntity } from './task.ts'

/** A person's labels for a task. */
export const AnnotationEntity = defineEntity({
  name: 'Annotation',
  tableName: 'annotation',
  properties: {
    id: p.bigint('number').primary(),
    task: () => p.manyToOne(TaskEntity).mapToPk().deleteRule('cascade').index(),
    result: p.json<Json>().columnType('json'),
    /** Skipped: the person looked at the task and gave no labels. */
    wasCancelled: p.boolean().default(false),
    /** Name of who made it: of the token that saved it, or as the source says, which proves nothing. Null when unknown. */
    completedBy: p.text().nullable(),
    /** The token that saved it: `token:<id>` or `admin`. No file can set it; null for annotations of files. */
    author: p.text().nullable(),
    leadTimeSeconds: p.double().$type<number>().nullable(),
    /** The `id` that the annotation had in the file it was imported from. */
    importId: p.text().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
})

export type Annotation = InferEntity<typeof AnnotationEntity>
