import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { execute } from '../sql.ts'
import { isOutOfScope } from '../storages/scope.ts'

/**
 * After a complete listing: records each key that is new in this run and has the etag, size and base name of exactly one object that
 * is missing or that the listing cannot return, if no other new key has them. Returns the number of moved objects.
 */
export async function findMoves(em: EntityManager, run: SyncRun, storage: Storage): Promise<number> {
  await execute(em, sql`delete from sync_key where run_id = ${run.id} and kind = 'MOVED'`)
  for (const objects of [newObjects(run, storage), goneObjects(run, storage)]) {
    const [any] = await execute(em, sql`select 1 from (${objects}) o limit 1`)
    if (!any) return 0
  }
  await execute(
    em,
    sql`insert into sync_key (run_id, kind, key, to_key)
     with fresh as (${single(newObjects(run, storage))}), gone as (${single(goneObjects(run, storage))})
     select ${run.id}::bigint, 'MOVED', gone.key, fresh.key from fresh join gone using (etag, size, name)`,
  )
  const [row] = await execute<{ count: string }>(
    em,
    sql`select count(*) from sync_key where run_id = ${run.id} and kind = 'MOVED'`,
  )
  return Number(row!.count)
}

/** SQL: the objects whose etag, size and base name occur once. */
const single = (objects: RawBuilder<unknown>) => sql`
  select min(key) as key, etag, size, regexp_replace(key, '^.*/', '') as name from (select distinct key, etag, size from (${objects}) o) o
  where etag is not null group by etag, size, regexp_replace(key, '^.*/', '') having count(*) = 1`

const newObjects = ({ id, firstLink }: SyncRun, storage: Storage) => sql`
  select key, etag, size from import_link
  where storage_id = ${storage.id} and id > ${firstLink} and row_index = -1 and object_exists and row_exists
  union all
  select o.key, o.etag, o.size from imported_object o
  where o.storage_id = ${storage.id} and o.finished_by = ${id} and not exists (
    select 1 from import_link l where l.storage_id = o.storage_id and l.key = o.key and l.row_index <> -1 and l.id <= ${firstLink})`

/**
 * Objects that are missing, also since earlier runs, and those outside of the prefix, which the bucket may still have. Some are
 * there twice.
 */
const goneObjects = ({ id }: SyncRun, storage: Storage) => sql`
  select l.key, l.etag, l.size from sync_key k join import_link l on l.key = k.key
  where k.run_id = ${id} and k.kind = 'MISSING' and l.storage_id = ${storage.id} and l.row_index = -1 and l.row_exists
  union all
  select o.key, o.etag, o.size from sync_key k join imported_object o on o.key = k.key
  where k.run_id = ${id} and k.kind = 'MISSING' and o.storage_id = ${storage.id} and o.rows is not null
  union all
  select l.key, l.etag, l.size from import_link l
  where l.storage_id = ${storage.id} and not l.object_exists and l.row_index = -1 and l.row_exists
  union all
  select o.key, o.etag, o.size from imported_object o where o.storage_id = ${storage.id} and not o.object_exists and o.rows is not null
  union all
  select l.key, l.etag, l.size from import_link l
  where l.storage_id = ${storage.id} and l.row_index = -1 and l.row_exists and ${isOutOfScope(storage, 'l')}
  union all
  select o.key, o.etag, o.size from imported_object o where o.storage_id = ${storage.id} and o.rows is not null
    and ${isOutOfScope(storage, 'o')}`
