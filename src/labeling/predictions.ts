import type { EntityManager } from '@mikro-orm/postgresql'
import { type Prediction, PredictionEntity } from '../entities/prediction.ts'
import { NotFoundError } from '../errors.ts'
import type { Json } from '../json.ts'
import { sql } from '../sql.ts'
import { lockTasks } from './annotations.ts'
import { assertLists, mustBeFew, mustBeSmall } from './bounds.ts'

/** The labels of a model for a task. */
export interface NewPrediction {
  task: number
  result: Json
  score?: number | null | undefined
  modelVersion?: string | null | undefined
}

/** Changes to a prediction. Absent fields keep their value. */
export type PredictionChanges = { id: number } & Partial<Omit<NewPrediction, 'task'>>

/** Creates predictions, all or none. At most 1,000. @throws ValidationError, NotFoundError */
export async function createPredictions(em: EntityManager, predictions: NewPrediction[]): Promise<Prediction[]> {
  mustBeFew(predictions)
  mustBeSmall(predictions)
  assertLists(predictions)
  const tasks = predictions.map(({ task }) => task)
  return em.fork().transactional(async (tx) => {
    await lockTasks(tx, tasks)
    const made = await sql<{ id: string }>(
      tx,
      `insert into prediction (task_id, result, score, model_version)
       select n.task, n.result::json, n.score, n.version
       from unnest($1::bigint[], $2::text[], $3::float8[], $4::text[])
         with ordinality as n (task, result, score, version, at) order by n.at
       returning id`,
      [
        tasks,
        predictions.map(({ result }) => JSON.stringify(result)),
        predictions.map(({ score }) => score ?? null),
        predictions.map(({ modelVersion }) => modelVersion?.replaceAll('\0', '\ufffd') ?? null),
      ],
    )
    return inOrder(
      tx,
      made.map(({ id }) => Number(id)),
    )
  })
}

/** Changes predictions, all or none. At most 1,000. @throws ValidationError, NotFoundError */
export async function updatePredictions(em: EntityManager, changes: PredictionChanges[]): Promise<Prediction[]> {
  mustBeFew(changes)
  mustBeSmall(changes)
  assertLists(changes)
  const ids = changes.map(({ id }) => id)
  return em.fork().transactional(async (tx) => {
    const found = await sql(tx, 'select id from prediction where id = any($1::bigint[]) order by id for update', [ids])
    if (found.length < new Set(ids).size) throw new NotFoundError('There is no such prediction. Nothing was saved.')
    await sql(
      tx,
      `update prediction p set result = coalesce(c.result::json, p.result),
         score = case when c.sets_score then c.score else p.score end,
         model_version = case when c.sets_version then c.version else p.model_version end
       from unnest($1::bigint[], $2::text[], $3::bool[], $4::float8[], $5::bool[], $6::text[])
         as c (id, result, sets_score, score, sets_version, version)
       where p.id = c.id`,
      [
        ids,
        changes.map(({ result }) => (result === undefined ? null : JSON.stringify(result))),
        changes.map(({ score }) => score !== undefined),
        changes.map(({ score }) => score ?? null),
        changes.map(({ modelVersion }) => modelVersion !== undefined),
        changes.map(({ modelVersion }) => modelVersion?.replaceAll('\0', '\ufffd') ?? null),
      ],
    )
    return inOrder(tx, ids)
  })
}

/** Deletes at most 1,000 predictions and returns the number that existed. @throws ValidationError */
export async function deletePredictions(em: EntityManager, ids: number[]): Promise<number> {
  mustBeFew(ids)
  return (await sql(em.fork(), 'delete from prediction where id = any($1::bigint[]) returning id', [ids])).length
}

async function inOrder(tx: EntityManager, ids: number[]): Promise<Prediction[]> {
  const rows = new Map((await tx.find(PredictionEntity, { id: ids })).map((row) => [row.id, row]))
  return ids.map((id) => rows.get(id)!)
}
