import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import { recordEvent } from '../events/log.ts'
import { lockRun, type RunLease } from '../runs/lease.ts'
import { execute } from '../sql.ts'
import { lockTasks } from './lock-tasks.ts'

const pageSize = 1_000

/** SQL condition: `missingPolicy` still applies to the link `l`, whose row is missing. */
const isDue = ({ missingPolicy }: Pick<Storage, 'missingPolicy'>) =>
  missingPolicy === 'DELETE_UNANNOTATED'
    ? sql`(l.object_exists or not exists (select 1 from annotation a where a.task_id = l.task_id))`
    : sql`l.object_exists`

/** Number of links on which `sweepMissingRows` would act. */
export async function countMissingRows(em: EntityManager, storage: Storage): Promise<number> {
  const [marked] = await execute<{ count: string }>(
    em,
    sql`select count(*) from import_link l
     where l.storage_id = ${storage.id} and not l.row_exists and ${isDue(storage)}`,
  )
  return Number(marked!.count)
}

/**
 * Applies `missingPolicy` to links whose row is no longer in its object, one page per transaction, and counts them.
 * @throws RunLost; the signal's reason.
 */
export async function sweepMissingRows(
  em: EntityManager,
  { run, storage, signal }: { run: RunLease; storage: Storage; signal: AbortSignal },
): Promise<void> {
  for (let after: string | undefined = '0'; after !== undefined; ) {
    signal.throwIfAborted()
    after = await sweepPage(em, run, storage, after)
  }
}

/** Sweeps the next links after the id `after`. Returns the last id, or undefined if no more follow. */
async function sweepPage(
  em: EntityManager,
  run: RunLease,
  storage: Storage,
  after: string,
): Promise<string | undefined> {
  return em.fork().transactional(async (tx) => {
    await lockRun(tx, run)
    const links = await execute<{ id: string; task: string }>(
      tx,
      sql`select l.id, l.task_id as task from import_link l
       where l.storage_id = ${storage.id} and not l.row_exists and l.id > ${after} and ${isDue(storage)}
       order by l.id limit ${pageSize}`,
    )
    const tasks = links.map(({ task }) => task)
    const deleted = storage.missingPolicy === 'DELETE_UNANNOTATED' ? await deleteUnannotated(tx, tasks) : 0
    const flagged = await execute(
      tx,
      sql`update import_link set object_exists = false, updated_at = now()
       where id = any(${links.map((link) => link.id)}::bigint[]) and object_exists returning 1`,
    )
    await countSwept(tx, run, { missing: flagged.length + deleted, deleted })
    return links.length < pageSize ? undefined : links.at(-1)!.id
  })
}

/** Adds the results of a sweep to the counters of the run, as the last statements of the transaction. */
export async function countSwept(
  tx: EntityManager,
  { id }: Pick<RunLease, 'id'>,
  { missing, deleted }: { missing: number; deleted: number },
): Promise<void> {
  await execute(
    tx,
    sql`update sync_run set missing = missing + ${missing}, deleted = deleted + ${deleted}, heartbeat_at = now()
     where id = ${id}`,
  )
  await recordEvent(tx, 'PROGRESS', { type: 'RUN', id })
}

/** Deletes the tasks without annotations, unless another row or object is linked to them. Returns the number of tasks. */
async function deleteUnannotated(em: EntityManager, tasks: string[]): Promise<number> {
  await lockTasks(em, sql`select unnest(${tasks}::bigint[])`)
  const deleted = await execute(
    em,
    sql`delete from task t where t.id = any(${tasks}::bigint[])
       and not exists (select 1 from annotation a where a.task_id = t.id)
       and not exists (select 1 from import_link o where o.task_id = t.id and o.row_exists and o.object_exists)
     returning 1`,
  )
  return deleted.length
}
