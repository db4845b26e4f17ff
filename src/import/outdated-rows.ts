import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { execute } from '../sql.ts'
import type { PageTarget, PageWrite } from './page-write.ts'

// One condition for each index of links: of whole objects, and of rows.
// The object was one task and is a file of rows now.
const outdatedWhole = ({ files }: Objects): RawBuilder<SqlBool> =>
  sql`l.row_index = -1 and l.key = any(${files}::text[])`
const outdatedRows = ({ files, singles, groups }: Objects): RawBuilder<SqlBool> =>
  sql`l.row_index <> -1 and l.key = any(${[...files, ...singles]}::text[]) and not exists (
    select 1 from unnest(
        ${groups.map(({ key }) => key)}::text[],
        ${groups.map(({ rowGroup }) => rowGroup)}::int[],
        ${groups.map(({ rows }) => rows)}::int[])
      as g (key, row_group, rows)
    where g.key = l.key and g.row_group = l.row_group and l.row_index < g.rows)`

/**
 * Marks the links whose row is no longer in its object, if this part has read the object to its end without an error; the sweep
 * after the listing applies `missingPolicy` to them. Runs in the transaction of `em`, after the page was written. Idempotent.
 */
export async function markOutdatedRows(em: EntityManager, { storage }: PageTarget, part: PageWrite): Promise<void> {
  const objects = objectsOf(part)
  const { files, singles } = objects
  if (files.length + singles.length === 0) return
  const mark = (isOutdated: RawBuilder<SqlBool>) =>
    execute(
      em,
      sql`update import_link l set row_exists = false, updated_at = now()
       where l.storage_id = ${storage} and l.row_exists and ${isOutdated}`,
    )
  // An object that is one task has a link and no row here.
  await execute(em, sql`delete from imported_object where storage_id = ${storage} and key = any(${singles})`)
  await mark(outdatedWhole(objects))
  await mark(outdatedRows(objects))
}

/** Records how many links `markOutdatedRows` would mark, for a run that only counts. Idempotent. */
export async function recordOutdatedRows(em: EntityManager, target: PageTarget, part: PageWrite): Promise<void> {
  const objects = objectsOf(part)
  if (objects.files.length + objects.singles.length === 0) return
  const keysOf = (isOutdated: RawBuilder<SqlBool>) =>
    sql`select l.key from import_link l where l.storage_id = ${target.storage} and l.row_exists and ${isOutdated}`
  await execute(
    em,
    sql`insert into sync_key (run_id, kind, key, rows)
     select ${target.run}::bigint, 'SHRUNK', key, count(*)
     from (${keysOf(outdatedWhole(objects))} union all ${keysOf(outdatedRows(objects))}) l
     group by key on conflict do nothing`,
  )
}

type Objects = ReturnType<typeof objectsOf>

/** Keys of the complete files and of the objects that are one task, and the number of rows of each group of the files. */
function objectsOf({ objects, tasks }: PageWrite) {
  const complete = objects.filter(({ rows, isNew }) => rows !== null && !isNew)
  return {
    files: complete.map(({ object }) => object.key),
    singles: tasks.flatMap(({ object, row, isNew }) => (row === -1 && !isNew ? [object.key] : [])),
    groups: complete.flatMap(({ object, groups }) => groups.map((group) => ({ key: object.key, ...group }))),
  }
}
