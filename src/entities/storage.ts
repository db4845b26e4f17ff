import { defineEntity, type InferEntity, p } from '@mikro-orm/core'
import { ProjectEntity } from './project.ts'

/** IMPORT storages are places that tasks come from, EXPORT storages places that annotations go to. */
export const storageDirections = ['IMPORT', 'EXPORT'] as const
export type StorageDirection = (typeof storageDirections)[number]
/** TASKS: each object is a task file. FILES: each object is one task whose data is its URI. */
export const importMethods = ['TASKS', 'FILES'] as const
export type ImportMethod = (typeof importMethods)[number]
/** ANNOTATION: an object for each annotation, with its task. TASK: an object for each task, with all its annotations. */
export const exportFormats = ['ANNOTATION', 'TASK'] as const
export type ExportFormat = (typeof exportFormats)[number]

/** FULL lists everything; NEW_ONLY starts behind the highest key that was seen, for buckets whose keys only grow. */
export const syncModes = ['FULL', 'NEW_ONLY'] as const
export type SyncMode = (typeof syncModes)[number]
/** What a sync does about links whose object is gone. */
export const missingPolicies = ['KEEP', 'FLAG', 'DELETE_UNANNOTATED'] as const
export type MissingPolicy = (typeof missingPolicies)[number]
/** What a sync does about objects that are not what they were when they were imported. */
export const changedPolicies = ['IGNORE', 'UPDATE', 'REPORT'] as const
export type ChangedPolicy = (typeof changedPolicies)[number]

/** Which objects an import takes, beside the `regexFilter`; an absent part takes all. */
export interface ImportFilters {
  /** Glob patterns of which a key must match one. */
  include?: string[]
  /** Glob patterns of which a key must match none. */
  exclude?: string[]
  minBytes?: number
  maxBytes?: number
  /** Only objects that were last changed at least so long ago, such as to leave alone what is still being written. */
  minAgeSeconds?: number
  maxAgeSeconds?: number
  /** At most so many objects in one sync. */
  maxObjects?: number
  /** `take` of every `of` objects, by a hash of the key: the same ones in every sync. */
  sample?: { take: number; of: number }
}

/** A connected place, of either direction and any provider. `location` is checked by the provider's own schema. */
export const StorageEntity = defineEntity({
  name: 'Storage',
  tableName: 'storage',
  properties: {
    id: p.bigint('number').primary(),
    project: () => p.manyToOne(ProjectEntity).mapToPk().deleteRule('cascade').index(false),
    direction: p.enum(storageDirections),
    provider: p.text(),
    title: p.text().nullable(),
    description: p.text().nullable(),
    location: p.json<Record<string, unknown>>(),
    /** The secrets, sealed; null when there are none. */
    secrets: p.text().nullable(),
    /** What makes two storages of a project the same: provider, place and filter. */
    fingerprint: p.text(),
    /** The last queued run; its status is the storage's status. No foreign key: runs belong to storages already. */
    lastRun: p.bigint('number').nullable(),
    lastSyncAt: p.datetime().nullable(),
    lastSyncCount: p.bigint('number').nullable(),
    importMethod: p.enum(importMethods).default('FILES'),
    regexFilter: p.text().nullable(),
    recursive: p.boolean().default(true),
    /** Leaves out what Spark, Dask, Hadoop and desktops put beside data; see `isSidecar`. */
    skipSidecars: p.boolean().default(true),
    /** Adds the `name=value/` folders of a key to the data of its tasks. */
    hiveColumns: p.boolean().default(false),
    /** Takes over the times that files give for tasks, annotations and predictions. */
    keepTimes: p.boolean().default(true),
    filters: p.json<ImportFilters>().nullable(),
    syncMode: p.enum(syncModes).default('FULL'),
    missingPolicy: p.enum(missingPolicies).default('FLAG'),
    changedPolicy: p.enum(changedPolicies).default('IGNORE'),
    /** A sync that misses more links than this leaves them alone and says so; null = no such brake. */
    maxMissing: p.bigint('number').nullable(),
    /** The same as a share of all links, from 0 to 1. */
    maxMissingShare: p.double().$type<number>().nullable(),
    /** The highest key that a completed sync has listed. */
    highestKey: p.text().collation('C').nullable(),
    presign: p.boolean().default(true),
    presignTtlMinutes: p.integer().default(15),
    exportFormat: p.enum(exportFormats).default('ANNOTATION'),
    /** What objects are named, below the prefix; null = by the id of what they hold. */
    nameTemplate: p.text().nullable(),
    /** Whether an annotation is exported as soon as it is saved. */
    autoExport: p.boolean().default(true),
    /** Whether the object goes when its annotation is deleted. */
    canDeleteObjects: p.boolean().default(false),
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
