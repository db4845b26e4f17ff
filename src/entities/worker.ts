import { defineEntity, p } from '@mikro-orm/core'

/** A process that takes jobs. Together they tell how many syncs the fleet runs at the same time. */
export const WorkerEntity = defineEntity({
  name: 'Worker',
  tableName: 'worker',
  properties: {
    id: p.text().primary(),
    /** Imports, and as many exports, that it runs at the same time. */
    slots: p.integer(),
    seenAt: p.datetime().defaultRaw('now()'),
  },
})
