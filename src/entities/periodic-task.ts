import { defineEntity, p } from '@mikro-orm/core'

/** When each periodic task is due. The process that runs a task locks its row. */
export const PeriodicTaskEntity = defineEntity({
  name: 'PeriodicTask',
  tableName: 'round',
  properties: {
    name: p.text().primary(),
    dueAt: p.datetime().defaultRaw('now()'),
  },
})
