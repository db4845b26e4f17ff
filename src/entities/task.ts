import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { JsonObject } from '../json.ts'
import { ProjectEntity } from './project.ts'

/** One item to label. */
export const TaskEntity = defineEntity({
  name: 'Task',
  tableName: 'task',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().createForeignKeyConstraint(false).index(false),
    /** Number of the task in its project. */
    innerId: p.bigint('number'),
    // `json`, not `jsonb`: it stores the imported text unchanged, with all digits, and accepts \u0000.
    data: p.json<JsonObject>().columnType('json'),
    meta: p.json<JsonObject>().columnType('json').nullable(),
    allowSkip: p.boolean().default(true),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
  uniques: [{ properties: ['project', 'innerId'] }],
})

export type Task = InferEntity<typeof TaskEntity>
