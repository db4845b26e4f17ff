import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { Json, JsonObject } from '../json.ts'
import { TaskEntity } from './task.ts'

/** The labels of a model for a task. */
export const PredictionEntity = defineEntity({
  name: 'Prediction',
  tableName: 'prediction',
  properties: {
    id: p.bigint('number').primary(),
    task: () => p.manyToOne(TaskEntity).mapToPk().deleteRule('cascade').index(),
    result: p.json<Json>().columnType('json'),
    score: p.double().$type<number>().nullable(),
    modelVersion: p.text().nullable(),
    /** The fields of the imported prediction that have no column, such as `cluster`. Exports write them again. */
    extra: p.json<JsonObject>().columnType('json').nullable(),
    /** The link whose file it follows. No foreign key, because links are deleted with their tasks. Null: it follows none. */
    sourceLink: p.bigint('number').nullable(),
    /** Hash of what it was in the file. If it differs from the hash of the row, somebody has changed it here. */
    fileHash: p.uuid().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
  },
})

export type Prediction = InferEntity<typeof PredictionEntity>
