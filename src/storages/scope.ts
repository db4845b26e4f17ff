import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import { execute } from '../sql.ts'
import { folderScope } from './place.ts'

/** SQL condition on the table or alias: its key is not below the prefix of the storage. */
export function isOutOfScope(storage: Storage, table: string): RawBuilder<boolean> {
  const { prefix } = folderScope(storage)
  if (prefix === '') return sql`false`
  const key = sql`${sql.id(table)}.key`
  // The first two conditions let the planner use the index on keys.
  return sql`((${key} < ${prefix} or ${key} > ${prefix}) and not starts_with(${key}, ${prefix}))`
}

/** Number of links whose key is not below the prefix of the storage. */
export async function countOutOfScope(em: EntityManager, storage: Storage): Promise<number> {
  const [row] = await execute<{ count: string }>(
    em,
    sql`select (select count(*) from import_link l
         where l.storage_id = ${storage.id} and l.row_index = -1 and ${isOutOfScope(storage, 'l')})
       + (select count(*) from import_link l
         where l.storage_id = ${storage.id} and l.row_index <> -1 and ${isOutOfScope(storage, 'l')}) as count`,
  )
  return Number(row!.count)
}
