import type { EntityManager } from '@mikro-orm/postgresql'
import type { Annotation } from '../entities/annotation.ts'
import type { Prediction } from '../entities/prediction.ts'
import { SluiceError } from '../errors.ts'
import { sql } from '../sql.ts'
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
  const rows = await labelsOf<Own>(em, { table: 'prediction', columns: 'score, model_version as version' }, tasks, json)
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
  const columns = `was_cancelled as cancelled, completed_by as person, lead_time_seconds as seconds, import_id as source, author,
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
  { table, columns }: { table: string; columns: string },
  tasks: number[],
  json: JsonColumns,
): Promise<(Row & Own)[]> {
  const rows = await sql<Row & Own>(
    em,
    `select id, task_id as task, ${columns}, (extract(epoch from created_at) * 1000)::float8 as created,
       case when sum(octet_length(result::text)) over (order by id rows unbounded preceding) <= $2 then result::text end as result
     from ${table} where task_id = any($1::bigint[]) order by id limit ${maxLabels + 1}`,
    [tasks, json.bytesLeft()],
  )
  if (rows.length > maxLabels) {
    throw new SluiceError(
      'RESPONSE_TOO_LARGE',
      `These tasks have more than ${maxLabels} labels. Request smaller pages.`,
    )
  }
  return rows
}
