import { IsolationLevel } from '@mikro-orm/postgresql'
import { Repeater } from 'graphql-yoga'
import { ProjectEntity } from '../entities/project.ts'
import { StorageEntity } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { SyncRunEntity } from '../entities/sync-run.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { lagged } from '../events/feed.ts'
import { type EventFilter, type LoggedEvent, lastEventId, readEvents } from '../events/log.ts'
import { sql } from '../sql.ts'
import { isFinal, toRun } from '../sync/run.ts'
import type { Context } from './context.ts'

/** One thing that a subscriber is told. */
export type Change =
  | { kind: 'SNAPSHOT' | 'STATUS' | 'PROGRESS'; cursor: number; at: Date; storage: number; run: SyncRun | null }
  | { kind: 'HEARTBEAT' | 'LAGGED'; cursor: number; at: Date }

const heartbeatMs = 15_000

/**
 * What happens to the storages of the filter: first their present state (or, with `after`, the log behind that cursor),
 * then every change as it is committed. The feed is opened before the state is read, and both meet at the log's last id of
 * the same database snapshot, so that there is neither gap nor repeat at the seam. Closing frees the feed at once.
 * @throws NotFoundError, ValidationError: before the stream begins, since a fault inside it would end a WebSocket.
 */
export async function watchStorages(
  context: Context,
  filter: EventFilter,
  after: number | undefined,
): Promise<Repeater<Change>> {
  await mustExist(context, filter)
  if (after !== undefined && after > (await lastEventId(context.em))) {
    throw new ValidationError([{ path: 'after', message: 'is not a cursor of this log' }])
  }
  return new Repeater(async (push, stop) => {
    const feed = context.events.open(filter)
    let cursor = after ?? 0
    const tell = (change: Change) => {
      cursor = change.cursor
      return push(change)
    }
    const heartbeat = setInterval(
      () => push({ kind: 'HEARTBEAT', cursor, at: new Date() }).catch(() => {}),
      heartbeatMs,
    )
    stop.then(() => feed.close())
    try {
      const past = after === undefined ? await snapshot(context, filter) : await replay(context, filter, after)
      for (const change of past) await tell(change)
      for (;;) {
        const event = await feed.next()
        if (event === undefined) return stop()
        if (event === lagged) await tell({ kind: 'LAGGED', cursor, at: new Date() })
        else if (event.id > cursor) await tell(asChange(context, event))
      }
    } catch (error) {
      stop(error)
    } finally {
      clearInterval(heartbeat)
      feed.close()
    }
  })
}

/** The states of one run, from the present one to its last; ends after that. @throws NotFoundError */
export async function watchRun(context: Context, run: number): Promise<Repeater<SyncRun>> {
  await mustExist(context, { run })
  return new Repeater(async (push, stop) => {
    const feed = context.events.open({ run })
    stop.then(() => feed.close())
    try {
      const { last, present } = await context.em
        .fork()
        .transactional(async (tx) => ({ last: await lastEventId(tx), present: await tx.findOne(SyncRunEntity, run) }), {
          isolationLevel: IsolationLevel.REPEATABLE_READ,
        })
      if (!present) throw new NotFoundError('There is no such run.')
      await push(present)
      for (let state: SyncRun = present; !isFinal(state.status); ) {
        const event = await feed.next()
        if (event === undefined) break
        if (event === lagged || event.id <= last) continue
        state = toRun(context.em, event.payload)
        await push(state)
      }
      stop()
    } catch (error) {
      stop(error)
    } finally {
      feed.close()
    }
  })
}

async function mustExist({ em }: Context, { project, storage, run }: EventFilter): Promise<void> {
  const fork = em.fork()
  if (project && (await fork.count(ProjectEntity, { id: project })) === 0) {
    throw new NotFoundError('There is no such project.')
  }
  if (storage && (await fork.count(StorageEntity, { id: storage })) === 0) {
    throw new NotFoundError('There is no such storage.')
  }
  if (run && (await fork.count(SyncRunEntity, { id: run })) === 0) throw new NotFoundError('There is no such run.')
}

async function snapshot(context: Context, filter: EventFilter): Promise<Change[]> {
  return context.em.fork().transactional(
    async (tx) => {
      const cursor = await lastEventId(tx)
      const storages = await tx.find(
        StorageEntity,
        { ...(filter.project && { project: filter.project }), ...(filter.storage && { id: filter.storage }) },
        { orderBy: { id: 'asc' } },
      )
      const ids = storages.flatMap((storage) => storage.lastRun ?? [])
      const runs = new Map((await tx.find(SyncRunEntity, { id: ids })).map((run) => [run.id, run]))
      const at = new Date()
      // Without a storage there is no state to show, but the subscriber still learns that it is connected, and a cursor.
      if (storages.length === 0) return [{ kind: 'HEARTBEAT' as const, cursor, at }]
      return storages.map((storage) => ({
        kind: 'SNAPSHOT' as const,
        cursor,
        at,
        storage: storage.id,
        run: (storage.lastRun && runs.get(storage.lastRun)) || null,
      }))
    },
    { isolationLevel: IsolationLevel.REPEATABLE_READ },
  )
}

async function replay(context: Context, filter: EventFilter, after: number): Promise<Change[]> {
  const [kept] = await sql<{ first: string | null }>(context.em, 'select min(id) as first from event')
  const changes: Change[] = []
  // The log no longer reaches back that far: say so, and show the present state instead.
  if (after > 0 && after < Number(kept?.first ?? 0) - 1) {
    changes.push({ kind: 'LAGGED', cursor: after, at: new Date() }, ...(await snapshot(context, filter)))
    return changes
  }
  for (let at = after; ; ) {
    const events = await readEvents(context.em, at, filter)
    changes.push(...events.map((event) => asChange(context, event)))
    if (events.length < 1_000) return changes
    at = events.at(-1)!.id
  }
}

function asChange(context: Context, event: LoggedEvent): Change {
  const { id: cursor, createdAt: at, kind, storage, payload } = event
  return { kind, cursor, at, storage, run: toRun(context.em, payload) }
}
