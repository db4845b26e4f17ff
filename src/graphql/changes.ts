import { setTimeout as sleep } from 'node:timers/promises'
import type { SyncRun } from '../entities/sync-run.ts'
import { NotFoundError, SluiceError, ValidationError } from '../errors.ts'
import { type Feed, lagged, quiet } from '../events/feed.ts'
import { type EventFilter, firstEventId, type LoggedEvent, lastEventId, readEvents } from '../events/log.ts'
import { endingBy } from '../stream.ts'
import { isFinal } from '../sync/run.ts'
import { asChange, asRun, type Change, mark } from './change.ts'
import type { Context } from './context.ts'

const pageSize = 1_000

/**
 * What happens to the storages of a project, or to one: first their present state (or, with `after`, the log behind that
 * cursor), then every change as it is committed. The feed is opened before the past is read, and what both tell is told once.
 * A subscriber who falls behind the feed is told so, and goes on in the log. Ends with the viewer's right to see it, which is
 * looked at before each message, or page of the log; while the database is away, that waits. Closing frees the feed at once.
 * @throws NotFoundError, ValidationError; the stream throws what `admit` does
 */
export async function watchStorages(
  context: Context,
  watched: { project: number } | { storage: number },
  after: number | undefined,
): Promise<AsyncGenerator<Change, void>> {
  const { em, present, viewer, admit, heartbeatSeconds } = context
  const filter = { project: await admit(viewer, watched), ...watched }
  if (after !== undefined && after > (await lastEventId(em))) {
    throw new ValidationError([{ path: 'after', message: 'is not a cursor of this log' }])
  }
  return reading(context, filter, async function* changes(open) {
    const feed = open()
    let cursor: number = after ?? 0
    const snapshot = async function* () {
      const changes = await patiently(feed, () => present.storages(watched))
      yield* changes
      cursor = Number(changes.at(-1)!.cursor)
    }
    const log = async function* (isLate: boolean) {
      if (cursor > 0 && cursor < (await patiently(feed, () => firstEventId(em))) - 1) {
        if (!isLate) yield mark('LAGGED', cursor)
        yield* snapshot()
        return
      }
      for (let isMore = true; isMore; ) {
        const events = await patiently(feed, () => readEvents(em, cursor, filter, pageSize))
        await patiently(feed, () => admit(viewer, watched))
        isMore = events.length === pageSize
        for (const event of isLate ? events.filter(isNewest) : events) {
          cursor = event.id
          yield asChange(em, event)
        }
      }
    }
    try {
      yield* after === undefined ? snapshot() : log(false)
      for (;;) {
        const event = await feed.nextWithin(heartbeatSeconds * 1_000)
        if (event === undefined) return
        if (typeof event === 'object' && event.id <= cursor) continue
        await patiently(feed, () => admit(viewer, watched))
        if (event === quiet) yield mark('HEARTBEAT', cursor)
        else if (event === lagged) {
          yield mark('LAGGED', cursor)
          yield* log(true)
        } else {
          cursor = event.id
          yield asChange(em, event)
        }
      }
    } finally {
      feed.close()
    }
  })
}

/** The states of one run, from the present one to its last; ends after that. @throws as `watchStorages` does */
export async function watchRun(context: Context, run: number): Promise<AsyncGenerator<SyncRun, void>> {
  const { em, present, viewer, admit, heartbeatSeconds } = context
  const filter = { project: await admit(viewer, { run }), run }
  return reading(context, filter, async function* states(open) {
    const feed = open()
    try {
      const { last, run: first } = await present.run(run)
      if (!first) throw new NotFoundError('There is no such run.')
      yield first
      for (let { status } = first; !isFinal(status); ) {
        const event = await feed.nextWithin(heartbeatSeconds * 1_000)
        if (event === undefined) return
        if (event === lagged || (typeof event === 'object' && event.id <= last)) continue
        await patiently(feed, () => admit(viewer, { run }))
        if (event === quiet) continue
        const state = asRun(em, event)
        status = state.status
        yield state
      }
    } finally {
      feed.close()
    }
  })
}

// A subscriber waits so long for a database that is away, before it is told of the fault.
const patienceMs = 120_000
const retryMs = 250

/** Asks the database again and again while it cannot be asked, for as long as somebody waits for the answer. */
async function patiently<T>(feed: Feed, ask: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof SluiceError || feed.isClosed || waitedMs >= patienceMs) throw error
    }
    await sleep(retryMs, undefined, { ref: false })
  }
}

/** What `read` tells of a feed that it opens first and closes last. */
function reading<T>(
  { events }: Context,
  filter: EventFilter,
  read: (open: () => Feed) => AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  let feed: Feed | undefined
  const open = () => {
    feed = events.open(filter)
    return feed
  }
  return endingBy(read(open), () => feed?.close())
}

/** Whether no later event of the page shows more of the same run. */
function isNewest(event: LoggedEvent, n: number, page: LoggedEvent[]): boolean {
  return event.kind === 'STATUS' || !page.some((other, m) => m > n && other.run === event.run)
}
