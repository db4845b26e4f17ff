import type { UUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute, storableText } from '../sql.ts'
import type { ParsedTask } from '../task-files/parse-task.ts'
import { arrayOf, textsOf } from './array-literal.ts'

/** A row of an object that is read again. It waits in `import_row` until all rows of the object are there. */
export interface StagedRow extends ParsedTask {
  /** Identifies one reading of one object. */
  read: UUID
  rowGroup: number
  /** -1 if the object is one task. */
  row: number
}

/** Stores rows until their object is read to its end. */
export async function stageRows(em: EntityManager, run: number, rows: StagedRow[]): Promise<void> {
  await execute(
    em,
    sql`insert into import_row (run_id, read_id, row_group, row_index, envelope_id, data, meta, allow_skip, extra, labels,
       created_at, updated_at, origin)
     select ${run}::bigint, n.read_id, n.row_group, n.row_index, n.envelope_id, n.data::json, n.meta::json, n.allow_skip, n.extra::json,
       n.labels::json, n.created_at, n.updated_at, n.origin
     from unnest(
         ${arrayOf(rows.map(({ read }) => read))}::uuid[],
         ${arrayOf(rows.map(({ rowGroup }) => rowGroup))}::int[],
         ${arrayOf(rows.map(({ row }) => row))}::int[],
         ${textsOf(rows.map(({ envelopeId }) => envelopeId ?? null))}::text[],
         ${rows.map(({ data }) => data)}::text[],
         ${textsOf(rows.map(({ meta }) => meta))}::text[],
         ${arrayOf(rows.map(({ allowSkip }) => allowSkip))}::bool[],
         ${textsOf(rows.map(({ extra }) => extra ?? null))}::text[],
         ${textsOf(rows.map(labelsOf))}::text[],
         ${textsOf(rows.map(({ createdAt }) => createdAt ?? null))}::timestamptz[],
         ${textsOf(rows.map(({ updatedAt }) => updatedAt ?? null))}::timestamptz[],
         ${textsOf(rows.map(({ origin }) => origin ?? null))}::text[])
       as n (read_id, row_group, row_index, envelope_id, data, meta, allow_skip, extra, labels, created_at, updated_at, origin)`,
  )
}

/** The labels of a row as JSON, with each result as text, which the database stores unchanged. Null if the row has no labels. */
function labelsOf({ predictions, annotations }: ParsedTask): string | null {
  if (predictions.length + annotations.length === 0) return null
  return JSON.stringify({
    predictions: predictions.map((label) => ({
      ...label,
      modelVersion: label.modelVersion && storableText(label.modelVersion),
    })),
    annotations: annotations.map((label) => ({
      ...label,
      completedBy: label.completedBy && storableText(label.completedBy),
    })),
  })
}
