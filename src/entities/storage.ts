import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import type { ProviderName } from '../providers/registry.ts'
import { exportSettings } from '../storage-settings/export.ts'
import { importSettings } from '../storage-settings/import.ts'
import { columnsOf, type ValuesOf } from '../storage-settings/kinds.ts'
import { ProjectEntity } from './project.ts'

/** IMPORT storages are places that tasks come from, EXPORT storages places that annotations go to. */
export const storageDirections = ['IMPORT', 'EXPORT'] as const
export type StorageDirection = (typeof storageDirections)[number]
/** A connected place, of either direction and any provider. `location` is checked by the provider's own schema. */
export const StorageEntity = defineEntity({
  name: 'Storage',
  tableName: 'storage',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').index(false),
    direction: p.enum(storageDirections),
    provider: p.text().$type<ProviderName>(),
    location: p.json<Record<string, unknown>>(),
    /** The secrets, sealed; null when there are none. */
    secrets: p.text().nullable(),
    /** What makes two storages of a project the same: provider, place and filter. */
    fingerprint: p.text(),
    /** The last queued run; its status is the storage's status. No foreign key: runs belong to storages already. */
    lastRun: p.bigint('number').nullable(),
    lastSyncAt: p.datetime().nullable(),
    lastSyncCount: p.bigint('number').nullable(),
    ...columnsOf(importSettings),
    ...columnsOf(exportSettings),
    /** The limit of `maxMissing` as a share of all links, from 0 to 1. */
    maxMissingShare: p.double().$type<number>().nullable(),
    /** The highest key that a completed sync has listed. */
    highestKey: p.text().collation('C').nullable(),
    /** Earliest moment of the next drain of its pending exports; null = at once. */
    drainAt: p.datetime().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
  },
  indexes: [{ properties: ['project', 'id'] }, { properties: ['project', 'fingerprint'] }],
})

export type Storage = InferEntity<typeof StorageEntity>

export type ExportFormat = ValuesOf<typeof exportSettings>['exportFormat']
