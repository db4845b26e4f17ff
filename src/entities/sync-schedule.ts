import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { exportScopes } from './sync-run.ts'

/** Starts syncs of a storage at fixed times. */
export const SyncScheduleEntity = defineEntity({
  name: 'SyncSchedule',
  tableName: 'sync_schedule',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    cron: p.text(),
    /** IANA name of the time zone of the cron expression. */
    timeZone: p.text(),
    /** Maximum random delay of each start, in seconds, so that schedules do not start at the same moment. */
    jitterSeconds: p.integer().default(0),
    exportScope: p.enum(exportScopes).default('ALL'),
    skipUnchanged: p.boolean().default(false),
    nextRunAt: p.datetime(),
    /** The last sync that the schedule started. No foreign key, because runs refer to storages already. */
    lastRun: p.bigint('number').nullable(),
    /** Number of failed syncs of the storage since the last successful one. */
    failuresInRow: p.integer().default(0),
    /** Start of the pause after these failures. Null if the schedule is not paused. */
    pausedAt: p.datetime().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p.datetime().defaultRaw('now()'),
  },
  indexes: [{ properties: ['nextRunAt'] }],
})

export type SyncSchedule = InferEntity<typeof SyncScheduleEntity>
