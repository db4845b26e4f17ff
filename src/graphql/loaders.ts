import type { EntityManager } from '@mikro-orm/postgresql'
import DataLoader from 'dataloader'
import { type Annotation, AnnotationEntity } from '../entities/annotation.ts'
import { type ImportLink, ImportLinkEntity } from '../entities/import-link.ts'
import { type Prediction, PredictionEntity } from '../entities/prediction.ts'
import { ProjectEntity } from '../entities/project.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { SyncRunEntity } from '../entities/sync-run.ts'
import { TaskEntity } from '../entities/task.ts'

/** Reads that are batched: a page of any size costs one statement for each kind. */
export type Loaders = ReturnType<typeof createLoaders>

/** Fresh loaders on `em`; they live as long as one operation or one event. */
export function createLoaders(em: EntityManager) {
  return {
    project: byId((ids) => em.fork().find(ProjectEntity, { id: ids })),
    task: byId((ids) => em.fork().find(TaskEntity, { id: ids })),
    storage: byId((ids) => em.fork().find(StorageEntity, { id: ids })),
    run: byId((ids) => em.fork().find(SyncRunEntity, { id: ids })),
    importLink: byId((ids) => em.fork().find(ImportLinkEntity, { id: ids })),
    linkOfTask: new DataLoader<number, ImportLink | null>(async (tasks) => {
      const links = await em.fork().find(ImportLinkEntity, { task: [...tasks] })
      const found = new Map(links.map((link) => [link.task, link]))
      return tasks.map((task) => found.get(task) ?? null)
    }),
    predictionsOfTask: groups<Prediction>(
      (tasks) => em.fork().find(PredictionEntity, { task: tasks }, { orderBy: { id: 'asc' } }),
      (prediction) => prediction.task,
    ),
    annotationsOfTask: groups<Annotation>(
      (tasks) => em.fork().find(AnnotationEntity, { task: tasks }, { orderBy: { id: 'asc' } }),
      (annotation) => annotation.task,
    ),
    importStoragesOfProject: groups<Storage>(
      (projects) => em.fork().find(StorageEntity, { project: projects, direction: 'IMPORT' }),
      (storage) => storage.project,
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
