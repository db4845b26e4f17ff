import { createHash } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { ExportFormat, Storage } from '../entities/storage.ts'
import { type JsonObject, parseJson } from '../json.ts'
import { mapRecord } from '../records.ts'
import { execute } from '../sql.ts'
import { keyFor } from '../storages/export-name.ts'

/** The current content of an object to write. */
export interface ExportedObject {
  body: Buffer
  /** SHA-256 of the body, in hex. */
  hash: string
  /** Ids of the annotations in it. */
  annotations: number[]
  /** Whether the last write of all its annotations had the same bytes and name. */
  isUnchanged(key: string): boolean
  /** @throws SluiceError NAME_LEAVES_PREFIX, KEY_TOO_LONG */
  key(): string
}

interface AnnotationRow {
  id: string
  task: string
  result: string
  was_cancelled: boolean
  completed_by: string | null
  lead_time: number | null
  extra: string | null
  created_at: string
  updated_at: string
  linked_key: string | null
  linked_hash: string | null
}

interface TaskRow {
  id: string
  project: string
  inner_id: string
  data: string
  meta: string | null
  allow_skip: boolean
  source: string | null
  extra: string | null
  created_at: string
  updated_at: string
}

interface PredictionRow {
  id: string
  task: string
  result: string
  score: number | null
  model_version: string | null
  extra: string | null
  created_at: string
}

/**
 * The present content of the objects of these annotations (in TASK format: tasks), by id. A deleted subject, or a task without
 * annotations, has none. JSON is copied from the database as text, so no digit is lost.
 */
export async function readState(
  em: EntityManager,
  storage: Storage,
  { kind, subjects }: { kind: ExportFormat; subjects: number[] },
): Promise<Map<number, ExportedObject>> {
  const annotations = await execute(em, annotationsOf(storage.id, isPartOf[kind](subjects)))
  const taskIds = [...new Set(annotations.map(({ task }) => task))]
  const [tasks, predictions] =
    taskIds.length === 0
      ? [[], []]
      : await Promise.all([execute(em, tasksOf(taskIds)), execute(em, predictionsOf(taskIds))])
  const taskById = new Map(tasks.map((task) => [task.id, task]))
  const predictionsByTask = Map.groupBy(predictions, ({ task }) => task)
  const groups = Map.groupBy(annotations, ({ id, task }) => Number(kind === 'TASK' ? task : id))
  return new Map(
    [...groups].flatMap(([subject, group]) => {
      const task = taskById.get(group[0]!.task)
      // The task was deleted between the two statements, and its annotations with it.
      if (!task) return []
      const text = format[kind](group, task, predictionsByTask.get(task.id) ?? [])
      return [[subject, objectOf(storage, { group, task, kind, text })]]
    }),
  )
}

function objectOf(
  storage: Storage,
  { group, task, kind, text }: { group: AnnotationRow[]; task: TaskRow; kind: ExportFormat; text: string },
): ExportedObject {
  const body = Buffer.from(text)
  const hash = createHash('sha256').update(body).digest('hex')
  return {
    body,
    hash,
    annotations: group.map(({ id }) => Number(id)),
    isUnchanged: (key) => group.every(({ linked_key, linked_hash }) => linked_key === key && linked_hash === hash),
    key: () =>
      keyFor(storage, {
        projectId: Number(task.project),
        taskId: Number(task.id),
        innerId: Number(task.inner_id),
        ...(kind === 'ANNOTATION' && { annotationId: Number(group[0]!.id) }),
        sourceKey: task.source,
      }),
  }
}

/** The text of an object. A TASK has the format that imports read; an ANNOTATION contains its task in that format. */
const format: Record<ExportFormat, (group: AnnotationRow[], task: TaskRow, predictions: PredictionRow[]) => string> = {
  ANNOTATION: ([annotation], task, predictions) =>
    `{${annotationFields(annotation!)},"task":{${taskFields(task, predictions)}}}\n`,
  TASK: (annotations, task, predictions) =>
    `{${taskFields(task, predictions)},"annotations":[${annotations.map((one) => `{${annotationFields(one)}}`).join(',')}]}\n`,
}

const annotationFields = (row: AnnotationRow): string =>
  fieldsOf(row.extra, {
    id: row.id,
    result: row.result,
    was_cancelled: String(row.was_cancelled),
    completed_by: JSON.stringify(row.completed_by),
    lead_time: JSON.stringify(row.lead_time),
    created_at: JSON.stringify(row.created_at),
    updated_at: JSON.stringify(row.updated_at),
  })

const predictionFields = (row: PredictionRow): string =>
  fieldsOf(row.extra, {
    id: row.id,
    result: row.result,
    score: JSON.stringify(row.score),
    model_version: JSON.stringify(row.model_version),
    created_at: JSON.stringify(row.created_at),
  })

const taskFields = (row: TaskRow, predictions: PredictionRow[]): string =>
  fieldsOf(row.extra, {
    id: row.id,
    inner_id: row.inner_id,
    project: row.project,
    data: row.data,
    meta: String(row.meta),
    allow_skip: String(row.allow_skip),
    created_at: JSON.stringify(row.created_at),
    updated_at: JSON.stringify(row.updated_at),
    predictions: `[${predictions.map((one) => `{${predictionFields(one)}}`).join(',')}]`,
  })

/**
 * The fields of a JSON object, each value as JSON text, and then the fields of the imported file. A field that is in both has the
 * value of the file: the column cannot hold it.
 */
function fieldsOf(extra: string | null, columns: Record<string, string>): string {
  const imported = extra === null ? {} : mapRecord(parseJson(extra) as JsonObject, (value) => JSON.stringify(value))
  return Object.entries({ ...columns, ...imported })
    .map(([name, text]) => `${JSON.stringify(name)}:${text}`)
    .join(',')
}

const utc = (column: string) => sql`to_char(${sql.ref(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** The annotation `a` is one of these subjects, or belongs to one of them. */
const isPartOf: Record<ExportFormat, (subjects: number[]) => RawBuilder<SqlBool>> = {
  ANNOTATION: (annotations) => sql`a.id = any(${annotations}::bigint[])`,
  TASK: (tasks) => sql`a.task_id = any(${tasks}::bigint[])`,
}

const annotationsOf = (storage: number, condition: RawBuilder<SqlBool>) => sql<AnnotationRow>`
select a.id, a.task_id as task, a.result::text as result, a.was_cancelled, a.completed_by, a.lead_time_seconds as lead_time,
  a.extra::text as extra,
  ${utc('a.created_at')} as created_at, ${utc('a.updated_at')} as updated_at,
  l.key as linked_key, l.hash as linked_hash
from annotation a left join export_link l on l.storage_id = ${storage} and l.annotation_id = a.id
where ${condition} order by a.id`

const tasksOf = (ids: string[]) => sql<TaskRow>`
select t.id, t.project_id as project, t.inner_id, t.data::text as data, t.meta::text as meta, t.allow_skip,
  ${utc('t.created_at')} as created_at, ${utc('t.updated_at')} as updated_at,
  (select l.key from import_link l where l.task_id = t.id order by l.id limit 1) as source,
  (select x.extra::text from task_extra x where x.task_id = t.id) as extra
from task t where t.id = any(${ids}::bigint[])`

const predictionsOf = (tasks: string[]) => sql<PredictionRow>`
select id, task_id as task, result::text as result, score, model_version, extra::text as extra,
  ${utc('created_at')} as created_at
from prediction where task_id = any(${tasks}::bigint[]) order by id`
