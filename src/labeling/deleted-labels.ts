import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { execute } from '../sql.ts'

/** Records, before their deletion, which of these labels come from a file, so that an import does not create them again. */
export async function recordDeleted(
  tx: EntityManager,
  kind: 'ANNOTATION' | 'PREDICTION',
  ids: number[],
): Promise<void> {
  const [table, importId] = kind === 'ANNOTATION' ? [sql`annotation`, sql`a.import_id`] : [sql`prediction`, sql`null`]
  await execute(
    tx,
    sql`insert into deleted_label (link_id, kind, import_id, file_hash)
     select l.id, ${kind}, ${importId}, a.file_hash from ${table} a join import_link l on l.id = a.source_link
     where a.id = any(${ids}::bigint[])`,
  )
}
