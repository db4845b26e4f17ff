import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { Annotation } from '../entities/annotation.ts'
import type { Prediction } from '../entities/prediction.ts'
import { SluiceError } from '../errors.ts'
import { execute } from '../sql.ts'
import type { JsonColumns } from './json-columns.ts'

/** Maximum number of labels for one page of tasks. */
const maxLabels = 20_000

interface Row {
  id: string
  task: string
  result: string | null
  created: number
}

/** Reads the predictions of tasks in one statement, oldest first. Primes the loader of results, within its budget. */
export async function predictionsOf(em: EntityManager, tasks: number[], json: JsonColumns): Promise<Prediction[]> {
  type Own = { score: number | null; version: string | null }
  const rows = await labelsOf<Own>(
    em,
    { table: 'prediction', columns: sql`score, model_version as version` },
    tasks,
    json,
  )
  return rows.map(({ id, task, result, created, score, version }) => {
    json.predictionResult.prime(Number(id), json.read(result))
    const [createdAt, number] = [new Date(created), { id: Number(id), task: Number(task) }]
    return { ...number, score, modelVersion: version, createdAt } as Prediction
  })
}

/** Reads the annotations of tasks, in the same way as `predictionsOf`. */
export async function annotationsOf(em: EntityManager, tasks: number[], json: JsonColumns): Promise<Annotation[]> {
  type Own = {
    cancelled: boolean
    person: string | null
    seconds: number | null
    source: string | null
    author: string | null
    updated: number
  }
  const columns = sql`was_cancelled as cancelled, completed_by as person, lead_time_seconds as seconds, import_id as source, author,
    (extract(epoch from updated_at) * 1000)::float8 as updated`
  const rows = await labelsOf<Own>(em, { table: 'annotation', columns }, tasks, json)
  return rows.map(({ id, task, result, created, ...row }) => {
    json.annotationResult.prime(Number(id), json.read(result))
    return {
      ...{ id: Number(id), task: Number(task), wasCancelled: row.cancelled, completedBy: row.person },
      ...{ leadTimeSeconds: row.seconds, importId: row.source, author: row.author },
      ...{ createdAt: new Date(created), updatedAt: new Date(row.updated) },
    } as Annotation
  })
}

async function labelsOf<Own>(
  em: EntityManager,
  { table, columns }: { table: string; columns: RawBuilder<unknown> },
  tasks: number[],
  json: JsonColumns,
): Promise<(Row & Own)[]> {
  const rows = await execute<Row & Own>(
    em,
    sql`select id, task_id as task, (extract(epoch from created_at) * 1000)::float8 as created, ${columns},
       case when sum(octet_length(result::text)) over (order by id rows unbounded preceding) <= ${json.bytesLeft()}
         then result::text end as result
     from ${sql.table(table)} where task_id = any(${tasks}::bigint[]) order by id limit ${maxLabels + 1}`,
  )
  if (rows.length > maxLabels) {
    throw new SluiceError(
      'RESPONSE_TOO_LARGE',
      `These tasks have more than ${maxLabels} labels. Request smaller pages.`,
    )
  }
  return rows
}
