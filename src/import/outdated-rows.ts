import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from '../sql.ts'
import type { PageTarget, PageWrite } from './page-write.ts'

// One condition for each index of links: of whole objects, and of rows.
// What was one task is a file of rows now.
const outdatedWhole = (files: string) => `l.row_index = -1 and l.key = any(${files}::text[])`
const outdatedRows = `l.row_index <> -1 and l.key = any($2::text[]) and not exists (
  select 1 from unnest($3::text[], $4::int[], $5::int[]) as g (key, row_group, rows)
  where g.key = l.key and g.row_group = l.row_group and l.row_index < g.rows)`

/**
 * Marks the links whose row is no longer in its object, if this part has read the object to its end without a fault; the sweep
 * after the listing acts on them. Runs in the transaction of `em`, after the page was written. Idempotent.
 */
export async function markOutdatedRows(em: EntityManager, { storage }: PageTarget, part: PageWrite): Promise<void> {
  const { files, singles, groups } = objectsOf(part)
  if (files.length + singles.length === 0) return
  const mark = (condition: string, params: unknown[]) =>
    sql(
      em,
      `update import_link l set row_exists = false, updated_at = now()
       where l.storage_id = $1 and l.row_exists and ${condition}`,
      [storage, ...params],
    )
  // An object that is one task has its link alone.
  await sql(em, 'delete from imported_object where storage_id = $1 and key = any($2)', [storage, singles])
  await mark(outdatedWhole('$2'), [files])
  await mark(outdatedRows, [[...files, ...singles], ...groups])
}

/** Notes how many links `markOutdatedRows` would mark, for the run of `target`, which only counts. Idempotent. */
export async function noteOutdatedRows(em: EntityManager, target: PageTarget, part: PageWrite): Promise<void> {
  const { files, singles, groups } = objectsOf(part)
  if (files.length + singles.length === 0) return
  const links = [outdatedWhole('$6'), outdatedRows].map(
    (condition) => `select l.key from import_link l where l.storage_id = $1 and l.row_exists and ${condition}`,
  )
  await sql(
    em,
    `insert into sync_key (run_id, kind, key, rows)
     select $7::bigint, 'SHRUNK', key, count(*) from (${links.join(' union all ')}) l group by key on conflict do nothing`,
    [target.storage, [...files, ...singles], ...groups, files, target.run],
  )
}

/** Keys of the complete files and of the objects that are one task, and the rows of each group of the files, column by column. */
function objectsOf({ objects, tasks }: PageWrite) {
  const complete = objects.filter(({ rows, isNew }) => rows !== null && !isNew)
  const all = complete.flatMap(({ object, groups }) => groups.map((group) => ({ key: object.key, ...group })))
  return {
    files: complete.map(({ object }) => object.key),
    singles: tasks.flatMap(({ object, row, isNew }) => (row === -1 && !isNew ? [object.key] : [])),
    groups: [all.map(({ key }) => key), all.map(({ rowGroup }) => rowGroup), all.map(({ rows }) => rows)],
  }
}
