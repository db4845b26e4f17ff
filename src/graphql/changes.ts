import { setTimeout as sleep } from 'node:timers/promises'
import type { Watched } from '../auth/admit.ts'
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
  const show = (event: LoggedEvent) => asChange(em, event)
  return reading(context, { watched, filter, show }, async function* changes(open) {
    const feed = open()
    feed.seen = after ?? 0
    const snapshot = async function* () {
      const changes = await patiently(feed, () => present.storages(watched))
      yield* changes
      feed.seen = Number(changes.at(-1)!.cursor)
    }
    const log = async function* (isLate: boolean) {
      if (feed.seen > 0 && feed.seen < (await patiently(feed, () => firstEventId(em))) - 1) {
        if (!isLate) yield mark('LAGGED', feed.seen)
        yield* snapshot()
        return
      }
      for (let isMore = true; isMore; ) {
        const events = await patiently(feed, () => readEvents(em, feed.seen, filter, pageSize))
        await patiently(feed, () => admit(viewer, watched))
        isMore = events.length === pageSize
        for (const event of isLate ? events.filter(isNewest) : events) {
          feed.seen = event.id
          yield show(event)
        }
      }
    }
    try {
      yield* after === undefined ? snapshot() : log(false)
      for (;;) {
        const event = await feed.nextWithin(heartbeatSeconds * 1_000)
        if (event === undefined) return
        await patiently(feed, () => admit(viewer, watched))
        if (event === quiet) yield mark('HEARTBEAT', feed.seen)
        else if (event === lagged) {
          yield mark('LAGGED', feed.seen)
          yield* log(true)
        } else yield show(event)
      }
    } finally {
      feed.close()
    }
  })
}

/** The states of one run, from the present one to its last; ends after that. @throws as `watchStorages` does */
export async function watchRun(context: Context, run: number): Promise<AsyncGenerator<SyncRun, void>> {
  const { em, present, viewer, admit, heartbeatSeconds } = context
  const watched = { run }
  const filter = { project: await admit(viewer, watched), run }
  const show = (event: LoggedEvent) => asRun(em, event)
  const isLast = ({ status }: SyncRun) => isFinal(status)
  return reading(context, { watched, filter, show, isLast }, async function* states(open) {
    const feed = open()
    try {
      const { last, run: first } = await present.run(run)
      if (!first) throw new NotFoundError('There is no such run.')
      feed.seen = last
      yield first
      for (let state = first; !isLast(state); ) {
        const event = await feed.nextWithin(heartbeatSeconds * 1_000)
        if (event === undefined) return
        if (event === lagged) continue
        await patiently(feed, () => admit(viewer, watched))
        if (event === quiet) continue
        state = show(event)
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

interface Watching<T> {
  watched: Watched
  filter: EventFilter
  /** What is told of an event. */
  show: (event: LoggedEvent) => T
  /** Whether the stream ends with it. */
  isLast?: (value: T) => boolean
}

/**
 * What `read` tells of a feed that it opens first and closes last. While it waits for an event, one whose client takes it at once
 * goes past it; also then the viewer's right is looked at first. @throws SluiceError TOO_MANY_SUBSCRIPTIONS
 */
function reading<T extends object, Told>(
  { events, push, shared, viewer, admit, subscriptions, socket }: Context,
  { watched, filter, show, isLast }: Watching<T>,
  read: (open: () => Feed) => AsyncGenerator<Told, void>,
): AsyncGenerator<Told, void> {
  const direct = push &&
    shared && {
      push,
      audience: `${shared.name} ${JSON.stringify(watched)}`,
      prepare: async (event: LoggedEvent) => {
        const value = show(event)
        if (isLast?.(value)) return undefined
        const [json] = await Promise.all([shared.jsonOf(value), admit(viewer, watched)])
        return json
      },
    }
  const release = subscriptions.take({ socket, viewer: viewer.id, project: filter.project })
  let feed: Feed | undefined
  const open = () => {
    feed = events.open(filter, direct, release)
    return feed
  }
  return endingBy(read(open), () => {
    feed?.close()
    release()
  })
}

/** Whether no later event of the page shows more of the same run. */
function isNewest(event: LoggedEvent, n: number, page: LoggedEvent[]): boolean {
  return event.kind === 'STATUS' || !page.some((other, m) => m > n && other.run === event.run)
}
