import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { ExportFormat } from '../entities/storage.ts'
import { execute } from '../sql.ts'
import type { Claim } from './lease.ts'

/** Claims whose objects are read together, with the bytes of JSON of each. */
export interface Chunk {
  claims: Claim[]
  bytes: number
  bytesOf(claim: Claim): number
}

/**
 * Divides claims, in their order, into chunks of at most `maxBytes`; a larger object is a chunk of its own. Sizes are measured
 * now; the size of a deleted subject is 0.
 */
export async function chunksOf(em: EntityManager, claims: Claim[], maxBytes: number): Promise<Chunk[]> {
  const sizes = new Map<number, number>()
  for (const [kind, group] of Map.groupBy(claims, (claim) => claim.kind)) {
    const rows = await execute(em, sizesOf[kind](group.map(({ subject }) => subject)))
    const bytes = new Map(rows.map((row) => [Number(row.id), row.bytes]))
    for (const { id, subject } of group) sizes.set(id, bytes.get(subject) ?? 0)
  }
  const bytesOf = ({ id }: Claim) => sizes.get(id)!
  const chunks: Chunk[] = []
  for (const claim of claims) {
    const last = chunks.at(-1)
    if (last && last.bytes + bytesOf(claim) <= maxBytes) {
      last.claims.push(claim)
      last.bytes += bytesOf(claim)
    } else chunks.push({ claims: [claim], bytes: bytesOf(claim), bytesOf })
  }
  return chunks
}

const ofLabels = (table: 'annotation' | 'prediction') => sql`coalesce((
    select sum(octet_length(l.result::text) + coalesce(octet_length(l.extra::text), 0))
    from ${sql.table(table)} l where l.task_id = t.id), 0)`

const ofTask = sql`octet_length(t.data::text) + coalesce(octet_length(t.meta::text), 0)
  + coalesce((select octet_length(x.extra::text) from task_extra x where x.task_id = t.id), 0) + ${ofLabels('prediction')}`

const sizesOf: Record<ExportFormat, (subjects: number[]) => RawBuilder<{ id: string; bytes: number }>> = {
  ANNOTATION: (annotations) => sql`
select a.id, (octet_length(a.result::text) + coalesce(octet_length(a.extra::text), 0) + ${ofTask})::float8 as bytes
from annotation a join task t on t.id = a.task_id where a.id = any(${annotations}::bigint[])`,
  TASK: (tasks) => sql`
select t.id, (${ofLabels('annotation')} + ${ofTask})::float8 as bytes
from task t where t.id = any(${tasks}::bigint[])`,
}
