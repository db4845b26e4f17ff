import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { JsonObject } from '../json.ts'
import { ProjectEntity } from './project.ts'

/** One item to annotate. */
export const TaskEntity = defineEntity({
  name: 'Task',
  tableName: 'task',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').index(false),
    /** Running number inside the project. */
    innerId: p.bigint('number'),
    // `json`, not `jsonb`: the text stays as imported, to the digit, and a \u0000 in one task cannot fail a page.
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
