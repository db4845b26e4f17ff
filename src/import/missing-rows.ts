import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import { recordEvent } from '../events/log.ts'
import { lockRun, type RunLease, RunLost } from '../runs/lease.ts'
import { sql } from '../sql.ts'

const pageSize = 1_000

/** What the policy of the storage still has to do about a link whose row is gone. */
const isDue = ({ missingPolicy }: Pick<Storage, 'missingPolicy'>) =>
  missingPolicy === 'DELETE_UNANNOTATED'
    ? '(l.object_exists or not exists (select 1 from annotation a where a.task_id = l.task_id))'
    : 'l.object_exists'

/** Number of links on which `sweepMissingRows` would act. */
export async function countMissingRows(em: EntityManager, storage: Storage): Promise<number> {
  const [marked] = await sql<{ count: string }>(
    em,
    `select count(*) from import_link l where l.storage_id = $1 and not l.row_exists and ${isDue(storage)}`,
    [storage.id],
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

/** Sweeps the next links after the id `after`. The last id; undefined if no more follow. */
async function sweepPage(
  em: EntityManager,
  run: RunLease,
  storage: Storage,
  after: string,
): Promise<string | undefined> {
  return em.fork().transactional(async (tx) => {
    if (!(await lockRun(tx, run))) throw new RunLost()
    const links = await sql<{ id: string; task: string }>(
      tx,
      `select l.id, l.task_id as task from import_link l
       where l.storage_id = $1 and not l.row_exists and l.id > $2 and ${isDue(storage)} order by l.id limit ${pageSize}`,
      [storage.id, after],
    )
    const tasks = links.map(({ task }) => task)
    const deleted = storage.missingPolicy === 'DELETE_UNANNOTATED' ? await deleteUnannotated(tx, tasks) : 0
    const flagged = await sql(
      tx,
      'update import_link set object_exists = false, updated_at = now() where id = any($1::bigint[]) and object_exists returning 1',
      [links.map((link) => link.id)],
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
  await sql(
    tx,
    'update sync_run set missing = missing + $2, deleted = deleted + $3, heartbeat_at = now() where id = $1',
    [id, missing, deleted],
  )
  await recordEvent(tx, 'PROGRESS', { type: 'RUN', id })
}

/** Deletes those of the tasks that nobody has annotated, unless another row or object has them, too. Number of tasks. */
async function deleteUnannotated(em: EntityManager, tasks: string[]): Promise<number> {
  const deleted = await sql(
    em,
    `delete from task t where t.id = any($1::bigint[])
       and not exists (select 1 from annotation a where a.task_id = t.id)
       and not exists (select 1 from import_link o where o.task_id = t.id and o.row_exists and o.object_exists)
     returning 1`,
    [tasks],
  )
  return deleted.length
}
