import { defineEntity, p } from '@mikro-orm/core'

/** A process that runs jobs. The slots of all workers limit how many syncs run at the same time. */
export const WorkerEntity = defineEntity({
  name: 'Worker',
  tableName: 'worker',
  properties: {
    id: p.text().primary(),
    /** Number of imports, and of exports, that it runs at the same time. */
    slots: p.integer(),
    seenAt: p.datetime().defaultRaw('now()'),
  },
})
