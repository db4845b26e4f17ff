import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import { queueRemovals } from '../labeling/outbox.ts'
import { lockRun, type RunLease } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { labelKinds } from './compare-labels.ts'
import { lockTasks } from './lock-tasks.ts'
import { countMissingRows, countSwept, sweepMissingRows } from './missing-rows.ts'
import type { ImportSink } from './sink.ts'
import { needsTransaction, setExistence, writePage } from './write-page.ts'

const pageSize = 1_000

/** Writes tasks and links. */
export const taskSink: ImportSink = {
  needsTransaction,
  write: writePage,
  countMissingRows: (em, _run, storage) => countMissingRows(em, storage),
  async sweep(em, { run, storage, objects, rows, signal }) {
    for (let page: string[] | undefined; objects > 0 && (!page || page.length === pageSize); ) {
      signal.throwIfAborted()
      page = await sweepPage(em, { run, storage, after: page?.at(-1) ?? null })
    }
    if (rows > 0) await sweepMissingRows(em, { run, storage, signal })
  },
}

/** Sweeps the next keys after `after` (null = from the first) and returns them. Fewer than a page are the last ones. */
async function sweepPage(
  em: EntityManager,
  { run, storage, after }: { run: RunLease; storage: Storage; after: string | null },
): Promise<string[]> {
  return em.fork().transactional(async (tx) => {
    await lockRun(tx, run)
    // Two statements instead of a subquery: without statistics of the keys of a new run, the planner would execute the subquery for
    // every remaining key.
    const rows = await execute<{ key: string }>(
      tx,
      sql`select key from sync_key where run_id = ${run.id} and kind = 'MISSING'
         and (${after}::text is null or key > ${after})
       order by key limit ${pageSize}`,
    )
    const keys = rows.map(({ key }) => key)
    await execute(tx, sql`delete from sync_key where run_id = ${run.id} and kind = 'MISSING' and key = any(${keys})`)
    if (storage.missingPolicy === 'DELETE_UNANNOTATED') await deleteLabels(tx, { run, storage: storage.id, keys })
    const deleted = storage.missingPolicy === 'DELETE_UNANNOTATED' ? await deleteUnannotated(tx, storage.id, keys) : 0
    const flagged = await setExistence(tx, storage.id, keys, false)
    await countSwept(tx, run, { missing: flagged + deleted, deleted })
    return keys
  })
}

/**
 * Deletes the annotations that came from these objects, where the task also belongs to an object that is there, unless somebody
 * has changed them. Each object with one annotation of a task, as exports have them, decides about that annotation.
 */
async function deleteLabels(
  em: EntityManager,
  { run, storage, keys }: { run: RunLease; storage: number; keys: string[] },
): Promise<void> {
  const gone = await execute<{ id: string }>(
    em,
    sql`select a.id from import_link l join annotation a on a.task_id = l.task_id and a.source_link = l.id
     where l.storage_id = ${storage} and l.key = any(${keys}) and l.row_index = -1
       and a.file_hash = ${labelKinds.ANNOTATION.hashOfOwn}
       and exists (
         select 1 from import_link o where o.task_id = l.task_id and o.object_exists and o.key <> all(${keys})
           and not exists (select 1 from sync_key s where s.run_id = ${run.id} and s.kind = 'MISSING' and s.key = o.key))`,
  )
  const ids = gone.map(({ id }) => Number(id))
  if (ids.length === 0) return
  await queueRemovals(em, ids)
  await execute(em, sql`delete from annotation where id = any(${ids}::bigint[])`)
}

/** Deletes the tasks of these objects that have no annotations, with their links. Returns the number of tasks. */
async function deleteUnannotated(em: EntityManager, storage: number, keys: string[]): Promise<number> {
  let deleted = 0
  for (const rows of [sql`l.row_index = -1`, sql`l.row_index <> -1`]) {
    await lockTasks(
      em,
      sql`select l.task_id from import_link l where l.storage_id = ${storage} and l.key = any(${keys}) and ${rows}`,
    )
    const gone = await execute(
      em,
      sql`delete from task t using import_link l
       where l.storage_id = ${storage} and l.key = any(${keys}) and ${rows} and t.id = l.task_id
         and not exists (select 1 from annotation a where a.task_id = t.id)
       returning 1`,
    )
    deleted += gone.length
  }
  // If the object is listed again, the deleted rows are imported again.
  await execute(em, sql`update imported_object set rows = null where storage_id = ${storage} and key = any(${keys})`)
  return deleted
}
