import type { EntityManager } from '@mikro-orm/postgresql'
import { sql } from 'kysely'
import { StorageEntity } from '../entities/storage.ts'
import { SyncRunEntity } from '../entities/sync-run.ts'
import { ConflictError, NotFoundError } from '../errors.ts'
import { execute } from '../sql.ts'

/**
 * Deletes a storage with its links and pending exports. Tasks, annotations and objects stay. Returns the number of tasks that
 * lose their link. With `dryRun` it only counts.
 * @throws NotFoundError; ConflictError while a run of the storage is queued or in progress.
 */
export async function deleteStorage(
  em: EntityManager,
  id: number,
  dryRun: boolean,
): Promise<{ affectedTasks: number }> {
  const fork = em.fork()
  const storage = await fork.findOne(StorageEntity, id)
  if (!storage) throw new NotFoundError('There is no such storage.')
  const [row] = await execute<{ tasks: string }>(
    fork,
    sql`select count(distinct task_id) as tasks from import_link where storage_id = ${id}`,
  )
  if (!dryRun) {
    if ((await fork.count(SyncRunEntity, { storage: id, status: ['QUEUED', 'IN_PROGRESS'] })) > 0) {
      throw new ConflictError('A sync of this storage is active. Cancel it first.')
    }
    await fork.remove(storage).flush()
  }
  return { affectedTasks: Number(row?.tasks ?? 0) }
}
