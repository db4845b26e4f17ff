import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { Json, JsonObject } from '../json.ts'
import { TaskEntity } from './task.ts'

/** The labels of a person for a task. */
export const AnnotationEntity = defineEntity({
  name: 'Annotation',
  tableName: 'annotation',
  properties: {
    id: p.bigint('number').primary(),
    task: () => p.manyToOne(TaskEntity).mapToPk().deleteRule('cascade').index(),
    result: p.json<Json>().columnType('json'),
    /** True if the person skipped the task. */
    wasCancelled: p.boolean().default(false),
    /** Name of the author: of the token that saved it, or from the imported file, which is not verified. Null if unknown. */
    completedBy: p.text().nullable(),
    /** The token that saved it: `token:<id>` or `admin`. Null for imported annotations; files cannot set it. */
    author: p.text().nullable(),
    leadTimeSeconds: p.double().$type<number>().nullable(),
    /** The `id` of the annotation in the file from which it was imported. */
    importId: p.text().nullable(),
    /** The fields of the imported annotation that have no column, such as `ground_truth`. Exports write them again. */
    extra: p.json<JsonObject>().columnType('json').nullable(),
    /** The link whose file it follows. No foreign key, because links are deleted with their tasks. Null: it follows none. */
    sourceLink: p.bigint('number').nullable(),
    /** Hash of what it was in the file. If it differs from the hash of the row, somebody has changed it here. */
    fileHash: p.uuid().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
})

export type Annotation = InferEntity<typeof AnnotationEntity>
