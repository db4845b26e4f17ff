import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { ErrorCode } from '../errors.ts'
import { queueRemovals } from '../labeling/outbox.ts'
import { execute } from '../sql.ts'
import { compareLabels, type LabelKind, labelChanges, labelKinds, pairs } from './compare-labels.ts'

const { isUnchanged, isUpdated, isConflict, isNew, isGone } = labelChanges

interface SyncLabelsOptions {
  /** Deletes labels that the file no longer has (DELETE_UNANNOTATED). Otherwise they stay and follow the file no longer. */
  deletesGone: boolean
  /** Changes nothing, except `fresh.is_changed`. */
  countsOnly: boolean
  /** Receives the places of issues: rows with `key`, `row_group`, `row_index`. */
  report: (code: ErrorCode, places: RawBuilder<unknown>) => Promise<void>
}

/**
 * Lets annotations and predictions of the matched rows follow their file, unless somebody has changed them here. Marks the rows whose
 * labels change in `fresh.is_changed`. Runs in the transaction of `em`, after `matchRows`.
 */
export async function syncLabels(em: EntityManager, options: SyncLabelsOptions): Promise<void> {
  for (const kind of ['ANNOTATION', 'PREDICTION'] as const) {
    if (!(await hasLabels(em, kind))) continue
    await compareLabels(em, kind, { locks: !options.countsOnly })
    await reportConflicts(kind, options)
    await markChanged(em, options)
    if (!options.countsOnly) await writeLabels(em, kind, options)
    await execute(em, sql`drop table file_label, own_label`)
  }
}

/** Whether the rows or their tasks have labels at all, which most have not. */
async function hasLabels(em: EntityManager, kind: LabelKind): Promise<boolean> {
  const [found] = await execute(
    em,
    sql`select 1 where exists (select 1 from fresh f join import_row i using (read_id, row_group, row_index) where i.labels is not null)
     or exists (select 1 from fresh f join ${labelKinds[kind].table} a on a.task_id = f.task_id where a.source_link is not null)`,
  )
  return found !== undefined
}

async function reportConflicts(kind: LabelKind, { deletesGone, report }: SyncLabelsOptions): Promise<void> {
  const keyOf = (alias: string) => sql`(select key from import_link where id = ${sql.ref(`${alias}.link_id`)})`
  await report(
    'ANNOTATION_CONFLICT',
    sql`select ${keyOf('l')}, l.row_group, l.row_index from ${pairs} where ${isConflict}
     union select ${keyOf('o')}, o.row_group, o.row_index from own_label o where ${isGone} and not o.follows
     union select ${keyOf('l')}, l.row_group, l.row_index from file_label l join deleted_label d
       on d.link_id = l.link_id and d.kind = ${kind} and d.import_id = l.import_id and d.file_hash <> l.hash
       where l.was_deleted`,
  )
  if (deletesGone) return
  await report(
    'ANNOTATION_GONE',
    sql`select distinct ${keyOf('o')}, o.row_group, o.row_index from own_label o where ${isGone} and o.follows`,
  )
}

async function markChanged(em: EntityManager, { deletesGone }: SyncLabelsOptions): Promise<void> {
  const gone = deletesGone ? sql`union select link_id from own_label o where ${isGone} and o.follows` : sql``
  await execute(
    em,
    sql`update fresh set is_changed = true
     where link_id in (select l.link_id from ${pairs} where ${isUpdated} or ${isNew} ${gone})`,
  )
}

async function writeLabels(em: EntityManager, kind: LabelKind, { deletesGone }: SyncLabelsOptions): Promise<void> {
  const { table } = labelKinds[kind]
  await (kind === 'ANNOTATION' ? updateAnnotations(em) : updatePredictions(em))
  // From now on these follow the file as it is. A conflict is reported once.
  await execute(
    em,
    sql`update ${table} a set source_link = l.link_id, file_hash = l.hash
     from ${pairs} where a.id = o.id and (${isUnchanged} or ${isConflict})
       and (a.source_link is distinct from l.link_id or a.file_hash is distinct from l.hash)`,
  )
  await execute(
    em,
    sql`update deleted_label d set file_hash = l.hash from file_label l
     where l.was_deleted and d.link_id = l.link_id and d.kind = ${kind} and d.import_id = l.import_id`,
  )
  if (deletesGone) await deleteGone(em, kind)
  await execute(
    em,
    sql`update ${table} a set source_link = null, file_hash = null from own_label o where a.id = o.id and ${isGone}`,
  )
  await (kind === 'ANNOTATION' ? createAnnotations(em) : createPredictions(em))
}

async function updateAnnotations(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`update annotation a set result = (l.label->>'result')::json, was_cancelled = (l.label->>'wasCancelled')::bool,
       lead_time_seconds = (l.label->>'leadTimeSeconds')::float8, completed_by = l.label->>'completedBy',
       import_id = l.label->>'importId', extra = (l.label->>'extra')::json, source_link = l.link_id, file_hash = l.hash,
       updated_at = coalesce((l.label->>'updatedAt')::timestamptz, now())
     from ${pairs} where a.id = o.id and ${isUpdated}`,
  )
}

async function updatePredictions(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`update prediction a set result = (l.label->>'result')::json, score = (l.label->>'score')::float8,
       model_version = l.label->>'modelVersion', extra = (l.label->>'extra')::json, source_link = l.link_id, file_hash = l.hash
     from ${pairs} where a.id = o.id and ${isUpdated}`,
  )
}

const chunkSize = 1_000

async function deleteGone(em: EntityManager, kind: LabelKind): Promise<void> {
  const gone = await execute<{ id: string }>(em, sql`select id from own_label o where ${isGone} and o.follows`)
  const ids = gone.map(({ id }) => Number(id))
  for (let at = 0; at < ids.length; at += chunkSize) {
    const chunk = ids.slice(at, at + chunkSize)
    if (kind === 'ANNOTATION') await queueRemovals(em, chunk)
    await execute(em, sql`delete from ${labelKinds[kind].table} where id = any(${chunk}::bigint[])`)
  }
}

async function createAnnotations(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`insert into annotation (task_id, result, was_cancelled, lead_time_seconds, import_id, completed_by, extra, source_link,
       file_hash, created_at, updated_at)
     select l.task_id, (l.label->>'result')::json, (l.label->>'wasCancelled')::bool, (l.label->>'leadTimeSeconds')::float8,
       l.label->>'importId', l.label->>'completedBy', (l.label->>'extra')::json, l.link_id, l.hash,
       coalesce((l.label->>'createdAt')::timestamptz, now()),
       coalesce((l.label->>'updatedAt')::timestamptz, (l.label->>'createdAt')::timestamptz, now())
     from file_label l where ${isNew} order by l.row_group, l.row_index, l.n`,
  )
}

async function createPredictions(em: EntityManager): Promise<void> {
  await execute(
    em,
    sql`insert into prediction (task_id, result, score, model_version, extra, source_link, file_hash, created_at)
     select l.task_id, (l.label->>'result')::json, (l.label->>'score')::float8, l.label->>'modelVersion', (l.label->>'extra')::json,
       l.link_id, l.hash, coalesce((l.label->>'createdAt')::timestamptz, now())
     from file_label l where ${isNew} order by l.row_group, l.row_index, l.n`,
  )
}
