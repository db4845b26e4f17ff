import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { StorageEntity } from './storage.ts'
import { exportScopes } from './sync-run.ts'

/** When a storage is synced by itself. */
export const SyncScheduleEntity = defineEntity({
  name: 'SyncSchedule',
  tableName: 'sync_schedule',
  properties: {
    storage: () => p.manyToOne(StorageEntity).mapToPk().deleteRule('cascade').primary().index(false),
    cron: p.text(),
    /** IANA name of the zone whose wall clock the cron expression means. */
    timeZone: p.text(),
    /** Each sync starts up to so much later, by chance, so that not all start at once. */
    jitterSeconds: p.integer().default(0),
    exportScope: p.enum(exportScopes).default('ALL'),
    skipUnchanged: p.boolean().default(false),
    nextRunAt: p.datetime(),
    /** The last sync that it has started. No foreign key: runs belong to storages already. */
    lastRun: p.bigint('number').nullable(),
    /** Syncs of the storage that have failed since the last one that worked. */
    failuresInRow: p.integer().default(0),
    /** Since when it only tries now and then, because of these failures; null = it does not. */
    pausedAt: p.datetime().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p.datetime().defaultRaw('now()'),
  },
  indexes: [{ properties: ['nextRunAt'] }],
})

export type SyncSchedule = InferEntity<typeof SyncScheduleEntity>
