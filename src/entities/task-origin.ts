import { defineEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { TaskEntity } from './task.ts'

/** The task that several objects of a storage belong to. Each of them has another annotation of it. */
export const TaskOriginEntity = defineEntity({
  name: 'TaskOrigin',
  tableName: 'task_origin',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    /** The value that the objects have in common. */
    origin: p.text().primary(),
    task: () => p.manyToOne(TaskEntity).mapToPk().deleteRule('cascade').index(),
  },
})
