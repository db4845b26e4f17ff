import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { execute } from '../sql.ts'
import { annotationHash, predictionHash } from './label-hash.ts'

/** The two kinds of labels: their tables and columns. */
export const labelKinds = {
  ANNOTATION: {
    table: sql`annotation`,
    list: sql.lit('annotations'),
    importId: sql`l.label->>'importId'`,
    ownImportId: sql`a.import_id`,
    // Nobody can tell who made an older prediction; an older annotation without an author was imported.
    isOldImport: sql`a.author is null`,
    hashOfFile: annotationHash({
      result: sql`(l.label->>'result')::json`,
      wasCancelled: sql`(l.label->>'wasCancelled')::bool`,
      leadTime: sql`(l.label->>'leadTimeSeconds')::float8`,
      completedBy: sql`l.label->>'completedBy'`,
      extra: sql`(l.label->>'extra')::json`,
    }),
    hashOfOwn: annotationHash({
      result: sql`a.result`,
      wasCancelled: sql`a.was_cancelled`,
      leadTime: sql`a.lead_time_seconds`,
      completedBy: sql`a.completed_by`,
      extra: sql`a.extra`,
    }),
  },
  PREDICTION: {
    table: sql`prediction`,
    list: sql.lit('predictions'),
    importId: sql`null::text`,
    ownImportId: sql`null::text`,
    isOldImport: sql`true`,
    hashOfFile: predictionHash({
      result: sql`(l.label->>'result')::json`,
      score: sql`(l.label->>'score')::float8`,
      modelVersion: sql`l.label->>'modelVersion'`,
      extra: sql`(l.label->>'extra')::json`,
    }),
    hashOfOwn: predictionHash({
      result: sql`a.result`,
      score: sql`a.score`,
      modelVersion: sql`a.model_version`,
      extra: sql`a.extra`,
    }),
  },
} as const

export type LabelKind = keyof typeof labelKinds

/** SQL: all labels of the rows in `file_label` `l` that have one of their task `o`, and those that have none. */
export const pairs = sql`file_label l left join own_label o on o.id = l.own_id`

/** SQL conditions for what happens to a label of a file, and to a label of a task. */
export const labelChanges = {
  isUnchanged: sql<SqlBool>`(o.id is not null and o.hash = l.hash)`,
  isUpdated: sql<SqlBool>`(o.id is not null and o.hash <> l.hash and o.follows)`,
  // The file says what it said before, and somebody has changed the label here since.
  isConflict: sql<SqlBool>`(o.id is not null and o.hash <> l.hash and not o.follows and l.hash is distinct from o.file_hash)`,
  isNew: sql<SqlBool>`(l.own_id is null and not l.was_deleted)`,
  isGone: sql<SqlBool>`(o.is_sourced and not o.is_paired)`,
} satisfies Record<string, RawBuilder<SqlBool>>

/**
 * Compares the labels in the rows of `fresh` with those of their tasks: by their id in the file, by equal content, then by order
 * among those that nobody has changed here. `locks` locks the labels. Writes the temporary tables `file_label` and `own_label`.
 */
export async function compareLabels(em: EntityManager, kind: LabelKind, { locks }: { locks: boolean }): Promise<void> {
  const { table, list, importId, ownImportId, isOldImport, hashOfFile, hashOfOwn } = labelKinds[kind]
  await execute(
    em,
    sql`create temporary table file_label on commit drop as
     select f.link_id, f.task_id, f.read_id, f.row_group, f.row_index, l.at::int as n, l.label, ${importId} as import_id,
       ${hashOfFile} as hash, null::bigint as own_id, false as was_deleted
     from fresh f join import_row i using (read_id, row_group, row_index)
     cross join lateral json_array_elements(i.labels->${list}) with ordinality as l (label, at)
     where f.link_id is not null`,
  )
  // Saves of people wait, so that none is overwritten between the comparison and the write.
  if (locks) {
    await execute(
      em,
      sql`select a.id from ${table} a where a.task_id in (select task_id from fresh where link_id is not null) order by a.id for update`,
    )
  }
  await execute(
    em,
    sql`create temporary table own_label on commit drop as
     select s.*, s.is_sourced and s.hash = s.file_hash as follows, false as is_paired from (
       select a.id, f.link_id, f.task_id, f.read_id, f.row_group, f.row_index, ${ownImportId} as import_id, a.file_hash,
         ${hashOfOwn} as hash, a.source_link is not null as is_sourced
       from fresh f join ${table} a on a.task_id = f.task_id
       where f.link_id is not null and (a.source_link = f.link_id or (a.source_link is null and ${isOldImport}))) s`,
  )
  await execute(em, sql`analyze file_label`)
  await execute(em, sql`analyze own_label`)
  await pairBy(em, sql`import_id`, { where: sql`import_id is not null`, own: sql`import_id is not null` })
  await pairBy(em, sql`hash`)
  // A label that somebody has changed here is still the one that the file has unchanged.
  await pairBy(em, sql`hash`, { own: sql`is_sourced`, ownValue: sql`file_hash` })
  await pairBy(em, sql`true`, { where: sql`import_id is null`, own: sql`follows` })
  await execute(
    em,
    sql`update file_label l set was_deleted = true from deleted_label d
     where l.own_id is null and d.link_id = l.link_id and d.kind = ${kind} and (d.file_hash = l.hash or d.import_id = l.import_id)`,
  )
}

/** Pairs labels of a file with labels of their task that have an equal value, each once, in order. */
async function pairBy(
  em: EntityManager,
  value: RawBuilder<unknown>,
  {
    where = sql`true`,
    own = sql`true`,
    ownValue = value,
  }: Partial<Record<'where' | 'own' | 'ownValue', RawBuilder<unknown>>> = {},
): Promise<void> {
  await execute(
    em,
    sql`with given as (
       select *, ${value} as value, row_number() over (partition by link_id, ${value} order by n) as place
       from file_label where own_id is null and ${where}),
     own as (
       select *, ${ownValue} as value, row_number() over (partition by link_id, ${ownValue} order by is_sourced desc, id) as place
       from own_label where not is_paired and ${own}),
     paired as (
       update file_label l set own_id = own.id
       from given join own using (link_id, value, place)
       where l.link_id = given.link_id and l.n = given.n
       returning l.own_id)
     update own_label o set is_paired = true from paired where o.id = paired.own_id`,
  )
}
