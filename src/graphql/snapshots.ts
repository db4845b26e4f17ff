import { type EntityManager, IsolationLevel } from '@mikro-orm/postgresql'
import { inBatches } from '../batch.ts'
import type { Subject } from '../entities/event.ts'
import { StorageEntity } from '../entities/storage.ts'
import { type SyncRun, SyncRunEntity } from '../entities/sync-run.ts'
import { lastEventId } from '../events/log.ts'
import { nameOf } from '../events/subjects.ts'
import { type Change, messageWithoutStorage, startCursor } from './change.ts'

/** One storage, or all storages of a project. */
export type WatchedStorages = Subject & { type: 'PROJECT' | 'STORAGE' }

/**
 * Snapshots that subscriptions begin with. Each is read after its request, in one repeatable-read transaction. Concurrent
 * requests are batched, and requests for the same project, storage or run receive the same objects.
 */
export interface Snapshots {
  /**
   * States of all storages of a project, or of one storage; at least one message. The snapshot is complete only with the last
   * message, so only that has a cursor of the log.
   */
  storages(watched: WatchedStorages): Promise<Change[]>
  /** State of a run (null if it does not exist), and the id of the last event that the state may include. */
  run(id: number): Promise<{ run: SyncRun | null; last: number }>
}

export function createSnapshots(em: EntityManager): Snapshots {
  const storages = inBatches((keys: string[]) =>
    inSnapshot(em, async (tx) => {
      const last = await lastEventId(tx)
      const ids = (kind: string) => keys.flatMap((key) => (key.startsWith(kind) ? Number(key.slice(kind.length)) : []))
      const [projects, single] = [ids('PROJECT '), ids('STORAGE ')]
      const found = await tx.find(
        StorageEntity,
        { $or: [{ project: projects }, { id: single }] },
        { orderBy: { id: 'asc' } },
      )
      const runIds = found.flatMap(({ lastRun }) => lastRun ?? [])
      const runs = new Map((await tx.find(SyncRunEntity, { id: runIds })).map((run) => [run.id, run]))
      const groups = new Map<string, Change[]>(keys.map((key) => [key, []]))
      const at = new Date()
      for (const row of found) {
        const { id, project, lastRun } = row
        const run = (lastRun && runs.get(lastRun)) || null
        for (const key of [nameOf({ type: 'PROJECT', id: project }), nameOf({ type: 'STORAGE', id })]) {
          groups.get(key)?.push({ kind: 'SNAPSHOT', cursor: startCursor, at, storage: id, run, row })
        }
      }
      for (const group of groups.values()) {
        const end = group.at(-1)
        if (end) end.cursor = last
        // Without storages there is no state to send. The heartbeat confirms the subscription and carries the cursor.
        else group.push(messageWithoutStorage('HEARTBEAT', last))
      }
      return groups
    }),
  )
  const runs = inBatches((ids: number[]) =>
    inSnapshot(em, async (tx) => {
      const last = await lastEventId(tx)
      const found = new Map((await tx.find(SyncRunEntity, { id: ids })).map((run) => [run.id, run]))
      return new Map(ids.map((id) => [id, { run: found.get(id) ?? null, last }]))
    }),
  )
  return {
    storages: async (watched) => (await storages(nameOf(watched)))!,
    run: async (id) => (await runs(id))!,
  }
}

/** Runs `work` on one snapshot of the database. */
function inSnapshot<T>(em: EntityManager, work: (tx: EntityManager) => Promise<T>): Promise<T> {
  return em.fork().transactional(work, { isolationLevel: IsolationLevel.REPEATABLE_READ })
}
