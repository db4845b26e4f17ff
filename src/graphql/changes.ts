import { type EntityManager, IsolationLevel } from '@mikro-orm/postgresql'
import type { Watched } from '../auth/admit.ts'
import { StorageEntity } from '../entities/storage.ts'
import { type SyncRun, SyncRunEntity } from '../entities/sync-run.ts'
import { NotFoundError, ValidationError } from '../errors.ts'
import { type Feed, lagged, quiet } from '../events/feed.ts'
import { type EventFilter, firstEventId, type LoggedEvent, lastEventId, readEvents } from '../events/log.ts'
import { endingBy } from '../stream.ts'
import { isFinal, toRun } from '../sync/run.ts'
import type { Context } from './context.ts'

/** One thing that a subscriber is told; `cursor` says where it stands in the log, or that it stands before all of it. */
export type Change =
  | {
      kind: 'SNAPSHOT' | 'STATUS' | 'PROGRESS'
      cursor: number | typeof start
      at: Date
      storage: number
      run: SyncRun | null
    }
  | { kind: 'HEARTBEAT' | 'LAGGED'; cursor: number | typeof start; at: Date }

/** The cursor of who has not been told the whole of the present state yet. */
export const start = 'start'

const pageSize = 1_000

/**
 * What happens to the storages of a project, or to one: first their present state (or, with `after`, the log behind that
 * cursor), then every change as it is committed. The feed is opened before the past is read, and what both tell is told once.
 * A subscriber who falls behind the feed is told so, and goes on in the log. Ends with the viewer's right to see it, which is
 * looked at before each message, or page of the log. Closing frees the feed at once.
 * @throws NotFoundError, ValidationError; the stream throws what `admit` does
 */
export async function watchStorages(
  context: Context,
  watched: Watched,
  after: number | undefined,
): Promise<AsyncGenerator<Change, void>> {
  const { em, viewer, admit, heartbeatSeconds } = context
  const filter = { project: await admit(viewer, watched), ...watched }
  if (after !== undefined && after > (await lastEventId(em))) {
    throw new ValidationError([{ path: 'after', message: 'is not a cursor of this log' }])
  }
  return reading(context, filter, async function* changes(feed) {
    let cursor: number = after ?? 0
    const snapshot = async function* () {
      const present = await presentState(em, filter)
      yield* present
      cursor = Number(present.at(-1)!.cursor)
    }
    const log = async function* (isLate: boolean) {
      if (cursor > 0 && cursor < (await firstEventId(em)) - 1) {
        if (!isLate) yield mark('LAGGED', cursor)
        yield* snapshot()
        return
      }
      for (let isMore = true; isMore; ) {
        const events = await readEvents(em, cursor, filter, pageSize)
        await admit(viewer, watched)
        isMore = events.length === pageSize
        for (const event of isLate ? events.filter(isNewest) : events) {
          cursor = event.id
          yield asChange(em, event)
        }
      }
    }
    yield* after === undefined ? snapshot() : log(false)
    for (;;) {
      const event = await feed.nextWithin(heartbeatSeconds * 1_000)
      if (event === undefined) return
      if (typeof event === 'object' && event.id <= cursor) continue
      await admit(viewer, watched)
      if (event === quiet) yield mark('HEARTBEAT', cursor)
      else if (event === lagged) {
        yield mark('LAGGED', cursor)
        yield* log(true)
      } else {
        cursor = event.id
        yield asChange(em, event)
      }
    }
  })
}

/** The states of one run, from the present one to its last; ends after that. @throws as `watchStorages` does */
export async function watchRun(context: Context, run: number): Promise<AsyncGenerator<SyncRun, void>> {
  const { em, viewer, admit, heartbeatSeconds } = context
  const filter = { project: await admit(viewer, { run }), run }
  return reading(context, filter, async function* states(feed) {
    const { last, present } = await atOneMoment(em, async (tx) => ({
      last: await lastEventId(tx),
      present: await tx.findOne(SyncRunEntity, run),
    }))
    if (!present) throw new NotFoundError('There is no such run.')
    yield present
    for (let { status } = present; !isFinal(status); ) {
      const event = await feed.nextWithin(heartbeatSeconds * 1_000)
      if (event === undefined) return
      if (event === lagged || (typeof event === 'object' && event.id <= last)) continue
      await admit(viewer, { run })
      if (event === quiet) continue
      const state = asRun(em, event)
      status = state.status
      yield state
    }
  })
}

/** What `read` tells of a feed that is open as long as it is read. */
function reading<T>(
  { events }: Context,
  filter: EventFilter,
  read: (feed: Feed) => AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  let feed: Feed | undefined
  async function* open(): AsyncGenerator<T, void> {
    feed = events.open(filter)
    try {
      yield* read(feed)
    } finally {
      feed.close()
    }
  }
  return endingBy(open(), () => feed?.close())
}

const mark = (kind: 'HEARTBEAT' | 'LAGGED', cursor: number): Change => ({ kind, cursor, at: new Date() })

/** Whether no later event of the page shows more of the same run. */
function isNewest(event: LoggedEvent, n: number, page: LoggedEvent[]): boolean {
  return event.kind === 'STATUS' || !page.some((other, m) => m > n && other.run === event.run)
}

/** At least one message; only with the last of them is the present state known, so only that has a cursor of the log. */
async function presentState(em: EntityManager, { project, storage }: EventFilter): Promise<Change[]> {
  return atOneMoment(em, async (tx) => {
    const cursor = await lastEventId(tx)
    const storages = await tx.find(
      StorageEntity,
      { ...(project && { project }), ...(storage && { id: storage }) },
      { orderBy: { id: 'asc' } },
    )
    const ids = storages.flatMap(({ lastRun }) => lastRun ?? [])
    const runs = new Map((await tx.find(SyncRunEntity, { id: ids })).map((run) => [run.id, run]))
    // Without a storage there is no state to show, but the subscriber still learns that it is connected, and a cursor.
    if (storages.length === 0) return [mark('HEARTBEAT', cursor)]
    const at = new Date()
    return storages.map(({ id, lastRun }, n) => ({
      kind: 'SNAPSHOT' as const,
      cursor: n === storages.length - 1 ? cursor : start,
      at,
      storage: id,
      run: (lastRun && runs.get(lastRun)) || null,
    }))
  })
}

/** All that `work` reads is of one snapshot of the database. */
function atOneMoment<T>(em: EntityManager, work: (tx: EntityManager) => Promise<T>): Promise<T> {
  return em.fork().transactional(work, { isolationLevel: IsolationLevel.REPEATABLE_READ })
}

// All who are told of an event are told the same object, so that what is made of it is made once.
const changes = new WeakMap<LoggedEvent, Change>()
const runs = new WeakMap<LoggedEvent, SyncRun>()

function asChange(em: EntityManager, event: LoggedEvent): Change {
  const known = changes.get(event)
  if (known) return known
  const { id: cursor, createdAt: at, kind, storage } = event
  const change = { kind, cursor, at, storage, run: asRun(em, event) }
  changes.set(event, change)
  return change
}

function asRun(em: EntityManager, event: LoggedEvent): SyncRun {
  const run = runs.get(event) ?? toRun(em, event.payload)
  runs.set(event, run)
  return run
}
