import type { EntityManager } from '@mikro-orm/postgresql'
import DataLoader from 'dataloader'
import { sql } from 'kysely'
import { type MediaToken, type MediaTokens, mediaTokenLifetime } from '../access/media-tokens.ts'
import type { Folder } from '../access/tokens.ts'
import { type Annotation, AnnotationEntity } from '../entities/annotation.ts'
import { ExportLinkEntity } from '../entities/export-link.ts'
import { type ImportLink, ImportLinkEntity } from '../entities/import-link.ts'
import { type Prediction, PredictionEntity } from '../entities/prediction.ts'
import { ProjectEntity } from '../entities/project.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { SyncRunEntity } from '../entities/sync-run.ts'
import { type SyncSchedule, SyncScheduleEntity } from '../entities/sync-schedule.ts'
import { TaskEntity } from '../entities/task.ts'
import { type UrlMapping, UrlMappingEntity } from '../entities/url-mapping.ts'
import { WebhookEntity } from '../entities/webhook.ts'
import { WebhookDeliveryEntity } from '../entities/webhook-delivery.ts'
import { readRows } from '../read-rows.ts'
import { execute } from '../sql.ts'
import { createJsonColumns } from './json-columns.ts'
import { annotationsOf, predictionsOf } from './labels.ts'

/** Pending exports of a storage, and the error of the last failed write. */
interface PendingExports {
  count: number
  failure: string | null
  since: Date | null
}

/** Number of labels of a task. */
interface LabelCounts {
  annotations: number
  cancelled: number
  predictions: number
}

/** Issues media tokens for the viewer. */
export type IssueMediaToken = (options: Parameters<MediaTokens['issue']>[1]) => Promise<MediaToken>

interface FolderTokenKey {
  project: number
  ttlSeconds: number
  folder: Folder
}

/** Batched reads: a page of any size needs one statement per kind. */
export type Loaders = ReturnType<typeof createLoaders>

/** Creates loaders for one operation or one event. They cache, so they must not live longer. */
export function createLoaders(em: EntityManager, issueMediaToken: IssueMediaToken) {
  const json = createJsonColumns(em)
  const storage = byId((ids) => readRows(em, StorageEntity, { id: ids }))
  /** Links of storages that were not deleted. */
  const attachedLinks = async (where: { task: number[] } | { id: number[] }) => {
    const links = await readRows(em, ImportLinkEntity, where, { orderBy: { id: 'desc' } })
    const storages = await storage.loadMany(links.map((link) => link.storage))
    return links.filter((_, at) => storages[at] && !(storages[at] instanceof Error))
  }
  return {
    /** The media token of the viewer for a project, with the usual lifetime. */
    mediaToken: new DataLoader((projects: readonly number[]) =>
      Promise.all(projects.map((project) => issueMediaToken({ project, ttlSeconds: mediaTokenLifetime.normal }))),
    ),
    /** The media token of the viewer for a folder. */
    folderToken: new DataLoader((folders: readonly FolderTokenKey[]) => Promise.all(folders.map(issueMediaToken)), {
      cacheKeyFn: ({ folder }) => `${folder.storage}\0${folder.path}`,
    }),
    ...json,
    project: byId((ids) => readRows(em, ProjectEntity, { id: ids })),
    task: byId((ids) => readRows(em, TaskEntity, { id: ids }, { exclude: ['data', 'meta'] })),
    storage,
    run: byId((ids) => readRows(em, SyncRunEntity, { id: ids })),
    /** For an export storage: the number of pending exports, and why the last write failed. */
    pendingExports: new DataLoader<number, PendingExports>(async (storages) => {
      const rows = await execute<{ storage: string; count: string; failure: string | null; since: string }>(
        em,
        sql`select storage_id as storage, count(*) as count, min(created_at) as since,
           (array_agg(failure order by due_at desc) filter (where failure is not null))[1] as failure
         from outbox where storage_id = any(${storages}) and version > 0 group by storage_id`,
      )
      const found = new Map(
        rows.map(({ storage, count, failure, since }) => [
          Number(storage),
          { count: Number(count), failure, since: new Date(since) },
        ]),
      )
      return storages.map((storage) => found.get(storage) ?? { count: 0, failure: null, since: null })
    }),
    scheduleOfStorage: new DataLoader<number, SyncSchedule | null>(async (storages) => {
      const schedules = await readRows(em, SyncScheduleEntity, { storage: [...storages] })
      const found = new Map(schedules.map((schedule) => [schedule.storage, schedule]))
      return storages.map((storage) => found.get(storage) ?? null)
    }),
    exportLink: byId((ids) => readRows(em, ExportLinkEntity, { id: ids })),
    prediction: byId((ids) => readRows(em, PredictionEntity, { id: ids }, { exclude: ['result', 'extra'] })),
    annotation: byId((ids) => readRows(em, AnnotationEntity, { id: ids }, { exclude: ['result', 'extra'] })),
    webhookDelivery: byId((ids) => readRows(em, WebhookDeliveryEntity, { id: ids })),
    webhook: byId((ids) => readRows(em, WebhookEntity, { id: ids })),
    importLink: byId((ids) => attachedLinks({ id: ids })),
    linkOfTask: new DataLoader<number, ImportLink | null>(async (tasks) => {
      const links = await attachedLinks({ task: [...tasks] })
      const found = new Map(links.map((link) => [link.task, link]))
      return tasks.map((task) => found.get(task) ?? null)
    }),
    /** Number of labels of a task. Skipped annotations are counted separately. */
    countsOfTask: new DataLoader<number, LabelCounts>(async (tasks) => {
      const rows = await execute<Record<'task' | keyof LabelCounts, string>>(
        em,
        sql`select t.id as task, a.annotations, a.cancelled, p.predictions from unnest(${tasks}::bigint[]) as t (id)
         cross join lateral (
           select count(*) filter (where not was_cancelled) as annotations, count(*) filter (where was_cancelled) as cancelled
           from annotation where task_id = t.id) a
         cross join lateral (select count(*) as predictions from prediction where task_id = t.id) p`,
      )
      const found = new Map(rows.map(({ task, ...counts }) => [Number(task), counts]))
      return tasks.map((task) => {
        const { annotations, cancelled, predictions } = found.get(task)!
        return { annotations: Number(annotations), cancelled: Number(cancelled), predictions: Number(predictions) }
      })
    }),
    predictionsOfTask: groups<Prediction>(
      (tasks) => predictionsOf(em, tasks, json),
      (prediction) => prediction.task,
    ),
    annotationsOfTask: groups<Annotation>(
      (tasks) => annotationsOf(em, tasks, json),
      (annotation) => annotation.task,
    ),
    importStoragesOfProject: groups<Storage>(
      (projects) => readRows(em, StorageEntity, { project: projects, direction: 'IMPORT' }, { orderBy: { id: 'asc' } }),
      (storage) => storage.project,
    ),
    urlMappingsOfProject: groups<UrlMapping>(
      (projects) => readRows(em, UrlMappingEntity, { project: projects }, { orderBy: { prefix: 'asc' } }),
      (mapping) => mapping.project,
    ),
  }
}

function byId<T extends { id: number }>(find: (ids: number[]) => Promise<T[]>): DataLoader<number, T | null> {
  return new DataLoader(async (ids) => {
    const found = new Map((await find([...ids])).map((row) => [row.id, row]))
    return ids.map((id) => found.get(id) ?? null)
  })
}

function groups<T>(find: (ids: number[]) => Promise<T[]>, idOf: (row: T) => number): DataLoader<number, T[]> {
  return new DataLoader(async (ids) => {
    const found = Map.groupBy(await find([...ids]), idOf)
    return ids.map((id) => found.get(id) ?? [])
  })
}
