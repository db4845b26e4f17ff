import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { StorageEntity } from '../entities/storage.ts'
import { SyncRunEntity } from '../entities/sync-run.ts'
import { ConflictError, NotFoundError } from '../errors.ts'
import { execute } from '../sql.ts'
import { detachStorage } from './detach.ts'

/** Effect of deleting a storage. */
interface Deletion {
  /** Number of tasks that lose their link. */
  affectedTasks: number
  /** Number of changes that are not written to the storage, and never will be. */
  pendingExports: number
}

/**
 * Deletes a storage. If it has links to tasks, it is detached, so that the same storage can adopt them when it is connected again.
 * Tasks, annotations and objects stay. With `dryRun` it only counts. @throws NotFoundError; ConflictError while a run of the
 * storage is queued or in progress; ConflictError PENDING_EXPORTS, unless `force` is set, if exports are pending.
 */
export async function deleteStorage(
  em: EntityManager,
  id: number,
  { dryRun = false, force = false }: { dryRun?: boolean; force?: boolean } = {},
): Promise<Deletion> {
  return em.fork().transactional(async (tx) => {
    const storage = await tx.findOne(StorageEntity, id)
    if (!storage) throw new NotFoundError('There is no such storage.')
    // Saves of annotations and starts of runs lock the storage, too, so none can add an export or a run after the count.
    if (!dryRun) await execute(tx, sql`select id from storage where id = ${id} for update`)
    const [row] = await execute<{ tasks: string; pending: string }>(
      tx,
      sql`select (select count(distinct task_id) from import_link where storage_id = ${id}) as tasks,
         (select count(*) from outbox where storage_id = ${id} and version > 0) as pending`,
    )
    const deletion = { affectedTasks: Number(row!.tasks), pendingExports: Number(row!.pending) }
    if (dryRun) return deletion
    if ((await tx.count(SyncRunEntity, { storage: id, status: ['QUEUED', 'IN_PROGRESS'] })) > 0) {
      throw new ConflictError('A sync of this storage is active. Cancel it first.')
    }
    const { pendingExports } = deletion
    if (pendingExports > 0 && !force) {
      const message = `${pendingExports} changes are not written to this storage yet (pendingExports). Wait until they are written, or delete it with force: true, which loses them.`
      throw new ConflictError(message, 'PENDING_EXPORTS', { pendingExports })
    }
    await (deletion.affectedTasks > 0 ? detachStorage(tx, id) : tx.remove(storage).flush())
    return deletion
  })
}
