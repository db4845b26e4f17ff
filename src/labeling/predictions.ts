import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { type Prediction, PredictionEntity } from '../entities/prediction.ts'
import { NotFoundError } from '../errors.ts'
import type { Json } from '../json.ts'
import { execute, storableText } from '../sql.ts'
import { lockTasks } from './annotations.ts'
import { assertLists, assertMaxItems, assertSize } from './bounds.ts'
import { recordDeleted } from './deleted-labels.ts'
import { dropExtra } from './extra.ts'

/** The labels of a model for a task. */
interface NewPrediction {
  task: number
  result: Json
  score?: number | null | undefined
  modelVersion?: string | null | undefined
}

/** Changes to a prediction. Absent fields keep their value. */
type PredictionChanges = { id: number } & Partial<Omit<NewPrediction, 'task'>>

/** Creates predictions, all or none. At most 1,000. @throws ValidationError, NotFoundError */
export async function createPredictions(em: EntityManager, predictions: NewPrediction[]): Promise<Prediction[]> {
  assertMaxItems(predictions)
  assertSize(predictions)
  assertLists(predictions)
  const tasks = predictions.map(({ task }) => task)
  return em.fork().transactional(async (tx) => {
    await lockTasks(tx, tasks)
    const made = await execute<{ id: string }>(
      tx,
      sql`insert into prediction (task_id, result, score, model_version)
       select n.task, n.result::json, n.score, n.version
       from unnest(
           ${tasks}::bigint[],
           ${predictions.map(({ result }) => JSON.stringify(result))}::text[],
           ${predictions.map(({ score }) => score ?? null)}::float8[],
           ${predictions.map(({ modelVersion }) => (modelVersion == null ? null : storableText(modelVersion)))}::text[])
         with ordinality as n (task, result, score, version, at) order by n.at
       returning id`,
    )
    return inOrder(
      tx,
      made.map(({ id }) => Number(id)),
    )
  })
}

/** Changes predictions, all or none. At most 1,000. @throws ValidationError, NotFoundError */
export async function updatePredictions(em: EntityManager, changes: PredictionChanges[]): Promise<Prediction[]> {
  assertMaxItems(changes)
  assertSize(changes)
  assertLists(changes)
  const ids = changes.map(({ id }) => id)
  return em.fork().transactional(async (tx) => {
    const found = await execute(
      tx,
      sql`select id from prediction where id = any(${ids}::bigint[]) order by id for update`,
    )
    if (found.length < new Set(ids).size) throw new NotFoundError('There is no such prediction. Nothing was saved.')
    await execute(
      tx,
      sql`update prediction p set result = coalesce(c.result::json, p.result),
         score = case when c.sets_score then c.score else p.score end,
         model_version = case when c.sets_version then c.version else p.model_version end
       from unnest(
           ${ids}::bigint[],
           ${changes.map(({ result }) => (result === undefined ? null : JSON.stringify(result)))}::text[],
           ${changes.map(({ score }) => score !== undefined)}::bool[],
           ${changes.map(({ score }) => score ?? null)}::float8[],
           ${changes.map(({ modelVersion }) => modelVersion !== undefined)}::bool[],
           ${changes.map(({ modelVersion }) => (modelVersion == null ? null : storableText(modelVersion)))}::text[])
         as c (id, result, sets_score, score, sets_version, version)
       where p.id = c.id`,
    )
    await dropExtra(tx, 'prediction', { ids, fields: ['updated_at', 'score', 'model_version'] })
    return inOrder(tx, ids)
  })
}

/** Deletes at most 1,000 predictions and returns the number that existed. @throws ValidationError */
export async function deletePredictions(em: EntityManager, ids: number[]): Promise<number> {
  assertMaxItems(ids)
  return em.fork().transactional(async (tx) => {
    await execute(tx, sql`select id from prediction where id = any(${ids}::bigint[]) order by id for update`)
    await recordDeleted(tx, 'PREDICTION', ids)
    return (await execute(tx, sql`delete from prediction where id = any(${ids}::bigint[]) returning id`)).length
  })
}

async function inOrder(tx: EntityManager, ids: number[]): Promise<Prediction[]> {
  const rows = new Map((await tx.find(PredictionEntity, { id: ids })).map((row) => [row.id, row]))
  return ids.map((id) => rows.get(id)!)
}
