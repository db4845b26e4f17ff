import { defineEntity, p } from '@mikro-orm/core'
import type { JsonObject } from '../json.ts'
import { TaskEntity } from './task.ts'

/**
 * The fields beside the `data` of an imported task that have no column, such as `drafts`. A task without such fields has no row. It is
 * no column of the task, which would be the ninth: PostgreSQL would add eight bytes to every task, also where it is null.
 */
export const TaskExtraEntity = defineEntity({
  name: 'TaskExtra',
  tableName: 'task_extra',
  properties: {
    task: () => p.manyToOne(TaskEntity).mapToPk().deleteRule('cascade').primary().index(false),
    extra: p.json<JsonObject>().columnType('json'),
  },
})
