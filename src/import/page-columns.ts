import { type RawBuilder, sql } from 'kysely'
import { storableText } from '../sql.ts'
import { arrayOf, textsOf } from './array-literal.ts'
import type { NewTask } from './new-task.ts'
import type { PageWrite } from './page-write.ts'

/** SQL: arguments of `unnest` for the columns key, row_group, row_index, size, etag, last_modified, data, meta, allow_skip. */
export function taskColumns(tasks: NewTask[]): RawBuilder<unknown> {
  return sql`
    ${tasks.map((t) => t.object.key)}::text[],
    ${arrayOf(tasks.map((t) => t.rowGroup))}::int[],
    ${arrayOf(tasks.map((t) => t.row))}::int[],
    ${arrayOf(tasks.map((t) => t.object.size))}::bigint[],
    ${tasks.map((t) => t.object.etag)}::text[],
    ${tasks.map((t) => t.object.lastModified?.toISOString() ?? null)}::timestamptz[],
    ${tasks.map((t) => t.data)}::text[],
    ${textsOf(tasks.map((t) => t.meta))}::text[],
    ${arrayOf(tasks.map((t) => t.allowSkip))}::bool[]`
}

/** The same for key, row_group, row_index, code, message, retryable. */
export function issueColumns(issues: PageWrite['issues']): RawBuilder<unknown> {
  return sql`
    ${issues.map((i) => i.key)}::text[],
    ${issues.map((i) => i.rowGroup)}::int[],
    ${issues.map((i) => i.row)}::int[],
    ${issues.map((i) => i.code)}::text[],
    ${issues.map((i) => storableText(i.message))}::text[],
    ${issues.map((i) => i.retryable)}::bool[]`
}

/** The same for key, rows, size, etag, last_modified. */
export function objectColumns(objects: PageWrite['objects']): RawBuilder<unknown> {
  return sql`
    ${objects.map((o) => o.object.key)}::text[],
    ${objects.map((o) => o.rows)}::bigint[],
    ${objects.map((o) => o.object.size)}::bigint[],
    ${objects.map((o) => o.object.etag)}::text[],
    ${objects.map((o) => o.object.lastModified?.toISOString() ?? null)}::timestamptz[]`
}

/** The same for at (the place of the task in the page, from 1), result, score, model_version, extra. */
export function predictionColumns(tasks: NewTask[]): RawBuilder<unknown> {
  const predictions = tasks.flatMap((task, at) => task.predictions.map((p) => ({ ...p, at: at + 1 })))
  return sql`
    ${predictions.map((p) => p.at)}::bigint[],
    ${predictions.map((p) => p.result)}::text[],
    ${predictions.map((p) => p.score)}::float8[],
    ${predictions.map((p) => p.modelVersion && storableText(p.modelVersion))}::text[],
    ${predictions.map((p) => p.extra ?? null)}::text[]`
}

/** The same for at, result, was_cancelled, lead_time, import_id, completed_by, extra. */
export function annotationColumns(tasks: NewTask[]): RawBuilder<unknown> {
  const annotations = tasks.flatMap((task, at) => task.annotations.map((a) => ({ ...a, at: at + 1 })))
  return sql`
    ${annotations.map((a) => a.at)}::bigint[],
    ${annotations.map((a) => a.result)}::text[],
    ${annotations.map((a) => a.wasCancelled)}::bool[],
    ${annotations.map((a) => a.leadTimeSeconds)}::float8[],
    ${annotations.map((a) => a.importId)}::text[],
    ${annotations.map((a) => a.completedBy && storableText(a.completedBy))}::text[],
    ${annotations.map((a) => a.extra ?? null)}::text[]`
}

/** The same for at, extra: of the tasks that have such fields. */
export function extraColumns(tasks: NewTask[]): RawBuilder<unknown> {
  const extras = tasks.flatMap(({ extra }, at) => (extra === undefined ? [] : [{ at: at + 1, extra }]))
  return sql`
    ${extras.map(({ at }) => at)}::bigint[],
    ${extras.map(({ extra }) => extra)}::text[]`
}

/** The same for at, envelope_id of the tasks that have one. */
export function envelopeColumns(tasks: NewTask[]): RawBuilder<unknown> {
  const envelopes = tasks.flatMap(({ envelopeId }, at) =>
    envelopeId === undefined ? [] : [{ at: at + 1, envelopeId }],
  )
  return sql`
    ${arrayOf(envelopes.map(({ at }) => at))}::bigint[],
    ${envelopes.map(({ envelopeId }) => envelopeId)}::text[]`
}

/**
 * SQL: array of the times of tasks, predictions or annotations, in their order. Null if none has a time, which is usual: PostgreSQL then
 * skips the lookup for each row.
 */
export function timeColumn(
  items: { createdAt?: string; updatedAt?: string }[],
  name: 'createdAt' | 'updatedAt',
): RawBuilder<unknown> {
  const times = items.some((item) => item[name] !== undefined) ? items.map((item) => item[name] ?? null) : null
  return sql`(${times}::timestamptz[])`
}
