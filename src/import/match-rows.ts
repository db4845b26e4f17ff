import type { UUID } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { ObjectInfo } from '../providers/provider.ts'
import { execute } from '../sql.ts'
import { arrayOf } from './array-literal.ts'
import { lockTasks } from './lock-tasks.ts'

/** An object that was read again; all of its rows are in `import_row`. */
export interface ReadObject {
  object: ObjectInfo
  /** Identifies the reading. */
  read: UUID
  /** Whether every row of the object is known: it was read to its end, without an issue. */
  isComplete: boolean
  /** Number of its rows; -1 if the object is one task. */
  rows: number
}

export interface MatchOptions {
  storage: number
  rowKey: string | null
  /** Locks the links and, where rows are matched by position, the tasks. */
  locks: boolean
}

// `fresh` has the rows of the objects, `known` the links. They are temporary tables, because a join needs their statistics: an object
// can have one row or ten million.

/**
 * Matches the rows of objects with their links: by `rowKey`, by the id of the envelope, by equal data, and then by position if the
 * task has no annotations. Writes the link of each row to the temporary table `fresh`, and the links to the table `known`. Runs in
 * the transaction of `em`; the tables exist until its end. An object that is one task is row 0.
 */
export async function matchRows(em: EntityManager, objects: ReadObject[], options: MatchOptions): Promise<void> {
  await readRows(em, objects, options)
  await readLinks(em, objects, options)
  await execute(em, sql`analyze fresh`)
  await execute(em, sql`analyze known`)
  if (options.rowKey !== null) await matchBy(em, 'row_key')
  await matchBy(em, 'envelope_id')
  await matchBy(em, 'hash')
  if (options.locks) await lockUnmatched(em)
  await matchByPosition(em)
}

/** SQL: the value of a row, or of the task of a link, at the path `rowKey`. */
function rowKeyOf(rowKey: string | null, data: RawBuilder<unknown>, envelopeId: RawBuilder<unknown>) {
  if (rowKey === null) return sql`null::text`
  const path = rowKey.replace(/^data\./, '').split('.')
  const inData = sql`json_text_at(${data}, ${path}::text[])`
  return rowKey === 'id' ? sql`coalesce(${envelopeId}, ${inData})` : inData
}

// Only a key for joins, not a protection: who could make two rows with the same hash owns the file of both.
const hashOf = (data: RawBuilder<unknown>) => sql`md5(canonical_json(${data}))`

async function readRows(em: EntityManager, objects: ReadObject[], { rowKey }: MatchOptions): Promise<void> {
  await execute(
    em,
    sql`create temporary table fresh on commit drop as
     select i.read_id, i.row_group, i.row_index, greatest(i.row_index, 0) as place, i.envelope_id,
       ${hashOf(sql`i.data`)} as hash, ${rowKeyOf(rowKey, sql`i.data`, sql`i.envelope_id`)} as row_key,
       null::bigint as link_id, null::bigint as task_id, false as is_changed
     from import_row i where i.read_id = any(${arrayOf(objects.map(({ read }) => read))}::uuid[])`,
  )
}

async function readLinks(
  em: EntityManager,
  objects: ReadObject[],
  { storage, rowKey, locks }: MatchOptions,
): Promise<void> {
  const keys = objects.map(({ object }) => object.key)
  if (locks) {
    // Not `for update`: a deletion locks its labels and then refers to their links, while this transaction waits for the labels.
    for (const rows of [sql`row_index = -1`, sql`row_index <> -1`]) {
      await execute(
        em,
        sql`select id from import_link where storage_id = ${storage} and key = any(${keys}) and ${rows} order by id for no key update`,
      )
    }
  }
  const linksOf = (rows: RawBuilder<unknown>) => sql`
    select * from import_link where storage_id = ${storage} and key = any(${keys}) and ${rows}`
  await execute(
    em,
    sql`create temporary table known on commit drop as
     select l.id, o.read_id, l.task_id, l.row_group, l.row_index, greatest(l.row_index, 0) as place, l.row_exists,
       l.updated_at, e.envelope_id, ${hashOf(sql`t.data`)} as hash,
       ${rowKeyOf(rowKey, sql`t.data`, sql`e.envelope_id`)} as row_key,
       exists (select 1 from annotation a where a.task_id = l.task_id) as is_labeled,
       (l.etag, l.size) is distinct from (o.etag, o.size) as is_older, false as is_matched
     from (${linksOf(sql`row_index = -1`)} union all ${linksOf(sql`row_index <> -1`)}) l
     join unnest(
         ${arrayOf(objects.map(({ read }) => read))}::uuid[],
         ${keys}::text[],
         ${objects.map(({ object }) => object.etag)}::text[],
         ${arrayOf(objects.map(({ object }) => object.size))}::bigint[])
       as o (read_id, key, etag, size) on o.key = l.key
     join task t on t.id = l.task_id
     left join link_envelope e on e.link_id = l.id`,
  )
}

/**
 * Matches rows and links with equal values in `column`, each once. Of several equal links, those whose row was in the object and
 * whose tasks have annotations come first.
 */
async function matchBy(em: EntityManager, column: 'row_key' | 'envelope_id' | 'hash'): Promise<void> {
  const value = sql.ref(column)
  await execute(
    em,
    sql`with given as (
       select read_id, row_group, row_index, ${value} as value,
         row_number() over (partition by read_id, ${value} order by row_group, row_index) as n
       from fresh where link_id is null and ${value} is not null),
     link as (
       select id, task_id, read_id, ${value} as value,
         row_number() over (partition by read_id, ${value} order by row_exists desc, is_labeled desc, row_group, row_index) as n
       from known where not is_matched and ${value} is not null),
     matched as (
       update fresh f set link_id = link.id, task_id = link.task_id
       from given join link using (read_id, value, n)
       where f.read_id = given.read_id and f.row_group = given.row_group and f.row_index = given.row_index
       returning f.link_id)
     update known k set is_matched = true from matched where k.id = matched.link_id`,
  )
}

/** Locks the tasks that can be matched by position against new annotations, and reads again which have some. */
async function lockUnmatched(em: EntityManager): Promise<void> {
  await lockTasks(em, sql`select task_id from known where not is_matched and not is_labeled`)
  await execute(
    em,
    sql`update known k set is_labeled = true
     where not k.is_matched and not k.is_labeled and exists (select 1 from annotation a where a.task_id = k.task_id)`,
  )
}

async function matchByPosition(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`with matched as (
       update fresh f set link_id = k.id, task_id = k.task_id
       from known k
       where f.link_id is null and not k.is_matched and not k.is_labeled and k.row_exists and k.row_index >= -1
         and k.read_id = f.read_id and k.row_group = f.row_group and k.place = f.place
       returning f.link_id)
     update known k set is_matched = true from matched where k.id = matched.link_id`,
  )
}

/** SQL: the objects as a table `o`. */
export const objectTable = (objects: ReadObject[]): RawBuilder<unknown> => sql`unnest(
    ${arrayOf(objects.map(({ read }) => read))}::uuid[],
    ${objects.map(({ object }) => object.key)}::text[],
    ${objects.map(({ object }) => object.etag)}::text[],
    ${arrayOf(objects.map(({ object }) => object.size))}::bigint[],
    ${objects.map(({ object }) => object.lastModified?.toISOString() ?? null)}::timestamptz[],
    ${arrayOf(objects.map(({ rows }) => rows))}::bigint[],
    ${arrayOf(objects.map(({ isComplete }) => isComplete))}::bool[])
  with ordinality as o (read_id, key, etag, size, last_modified, rows, is_complete, at)`

/** Marks the rows whose task differs from what was read: `fresh.is_changed`. Formatting is no difference. */
export async function compareRows(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`update fresh f set is_changed = true
     from known k join task t on t.id = k.task_id left join task_extra x on x.task_id = t.id, import_row i
     where k.id = f.link_id and i.read_id = f.read_id and i.row_group = f.row_group and i.row_index = f.row_index
       and (f.hash <> k.hash or i.allow_skip <> t.allow_skip
         or canonical_json(i.meta) is distinct from canonical_json(t.meta)
         or canonical_json(i.extra) is distinct from canonical_json(x.extra))`,
  )
}

/** SQL condition: the row of the link `k` is no longer in its object `o`. */
export const isLost: RawBuilder<SqlBool> = sql`(o.is_complete and not k.is_matched and k.row_exists)`
