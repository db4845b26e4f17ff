import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { ProviderName } from '../providers/registry.ts'
import { exportSettings } from '../storage-settings/export.ts'
import { importSettings } from '../storage-settings/import.ts'
import { columnsOf, type ValuesOf } from '../storage-settings/kinds.ts'
import { ProjectEntity } from './project.ts'

/** An IMPORT storage creates tasks, an EXPORT storage receives annotations. */
export const storageDirections = ['IMPORT', 'EXPORT'] as const
export type StorageDirection = (typeof storageDirections)[number]
/** A connected bucket, container, database or folder. The schema of the provider validates `location`. */
export const StorageEntity = defineEntity({
  name: 'Storage',
  tableName: 'storage',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').index(false),
    direction: p.enum(storageDirections),
    provider: p.text().$type<ProviderName>(),
    location: p.json<Record<string, unknown>>(),
    /** The secrets, sealed. Null if the storage has no secrets. */
    secrets: p.text().nullable(),
    /** Grows when the location, a filter or the method changes. A trigger sets it. */
    version: p.integer().default(1),
    /** Hash of direction, provider, location and filter. Two storages of a project with the same hash are duplicates. */
    fingerprint: p.text(),
    /** The last queued run. Its status is the status of the storage. No foreign key, because runs refer to storages already. */
    lastRun: p.bigint('number').nullable(),
    lastSyncAt: p.datetime().nullable(),
    lastSyncCount: p.bigint('number').nullable(),
    ...columnsOf(importSettings),
    ...columnsOf(exportSettings),
    /** The limit of `maxMissing` as a share of all links, from 0 to 1. */
    maxMissingShare: p.double().$type<number>().nullable(),
    /** The highest key that a completed sync has listed. */
    highestKey: p.text().collation('C').nullable(),
    /** Earliest time at which its pending exports are written. Null: at once. */
    drainAt: p.datetime().nullable(),
    /**
     * When the storage was deleted. Only import storages with links are detached: they have no secrets, no runs and no schedule, and
     * nothing finds them, except an import from the same place.
     */
    detachedAt: p.datetime().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
  indexes: [
    { properties: ['project', 'id'] },
    { properties: ['project', 'fingerprint'] },
    { name: 'storage_detached_index', properties: ['project'], where: 'detached_at is not null' },
  ],
  filters: { attached: { name: 'attached', cond: { detachedAt: null }, default: true } },
})

export type Storage = InferEntity<typeof StorageEntity>

export type ExportFormat = ValuesOf<typeof exportSettings>['exportFormat']
