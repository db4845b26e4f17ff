import { type RawBuilder, sql } from 'kysely'

/** SQL: hash of the parts of an annotation that its file decides. `result` and `extra` are JSON. */
export const annotationHash = (parts: {
  result: RawBuilder<unknown>
  wasCancelled: RawBuilder<unknown>
  leadTime: RawBuilder<unknown>
  completedBy: RawBuilder<unknown>
  extra: RawBuilder<unknown>
}): RawBuilder<string> =>
  hashOf([
    sql`canonical_json(${parts.result})`,
    parts.wasCancelled,
    parts.leadTime,
    parts.completedBy,
    sql`canonical_json(${parts.extra})`,
  ])

/** SQL: the same of a prediction. */
export const predictionHash = (parts: {
  result: RawBuilder<unknown>
  score: RawBuilder<unknown>
  modelVersion: RawBuilder<unknown>
  extra: RawBuilder<unknown>
}): RawBuilder<string> =>
  hashOf([sql`canonical_json(${parts.result})`, parts.score, parts.modelVersion, sql`canonical_json(${parts.extra})`])

const hashOf = (parts: RawBuilder<unknown>[]) => sql<string>`md5(concat(${sql.join(parts, sql`, '|', `)}))::uuid`
