import { setTimeout as sleep } from 'node:timers/promises'
import type { Subject } from '../entities/event.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { NotFoundError, SluiceError, ValidationError } from '../errors.ts'
import {
  type EventFilter,
  firstEventId,
  haveSameSubject,
  type LoggedEvent,
  lastEventId,
  readEvents,
} from '../events/log.ts'
import { nameOf } from '../events/subjects.ts'
import { idle, lagged, type SubscriptionQueue } from '../events/subscription-queue.ts'
import { isFinal } from '../runs/run.ts'
import { endingBy } from '../stream.ts'
import { asChange, asRun, type Change, messageWithoutStorage } from './change.ts'
import type { Context } from './context.ts'
import type { WatchedStorages } from './snapshots.ts'

const pageSize = 1_000

/**
 * Streams changes of one storage, or of all storages of a project: first a snapshot (or, with `after`, the log after that
 * cursor), then each change as it is committed. The queue is opened before the snapshot is read, and ids remove duplicates.
 * When the queue overflows, the subscriber receives LAGGED and continues from the log. Before each message, or page of the log,
 * the viewer is authorized again; this waits while the database is down. Closing the stream closes the queue at once.
 * @throws NotFoundError, ValidationError; the stream throws what `admit` throws
 */
export async function watchStorages(
  context: Context,
  watched: WatchedStorages,
  after: number | undefined,
): Promise<AsyncGenerator<Change, void>> {
  const { em, snapshots, viewer, authorize, heartbeatSeconds } = context
  const filter: EventFilter = {
    project: await authorize(viewer, watched),
    ...(watched.type === 'STORAGE' && { storage: watched.id }),
    subject: { type: 'RUN' },
  }
  if (after !== undefined && after > (await lastEventId(em))) {
    throw new ValidationError([{ path: 'after', message: 'is not a cursor of this log' }])
  }
  const render = (event: LoggedEvent) => asChange(em, event)
  return subscribeTo(context, { watched, filter, render }, async function* changes(open) {
    const queue = open()
    queue.lastId = after ?? 0
    const snapshot = async function* () {
      const changes = await withRetry(queue, () => snapshots.storages(watched))
      yield* changes
      queue.lastId = Number(changes.at(-1)!.cursor)
    }
    const log = async function* (isLate: boolean) {
      if (queue.lastId > 0 && queue.lastId < (await withRetry(queue, () => firstEventId(em))) - 1) {
        if (!isLate) yield messageWithoutStorage('LAGGED', queue.lastId)
        yield* snapshot()
        return
      }
      for (let isMore = true; isMore; ) {
        const events = await withRetry(queue, () => readEvents(em, queue.lastId, filter, pageSize))
        await withRetry(queue, () => authorize(viewer, watched))
        isMore = events.length === pageSize
        for (const event of isLate ? events.filter(isNewest) : events) {
          queue.lastId = event.id
          yield render(event)
        }
      }
    }
    try {
      yield* after === undefined ? snapshot() : log(false)
      for (;;) {
        const event = await queue.nextWithin(heartbeatSeconds * 1_000)
        if (event === undefined) return
        await withRetry(queue, () => authorize(viewer, watched))
        if (event === idle) yield messageWithoutStorage('HEARTBEAT', queue.lastId)
        else if (event === lagged) {
          yield messageWithoutStorage('LAGGED', queue.lastId)
          yield* log(true)
        } else yield render(event)
      }
    } finally {
      queue.close()
    }
  })
}

/** Streams the states of one run, from its present to its final state. @throws as `watchStorages` does */
export async function watchRun(context: Context, run: number): Promise<AsyncGenerator<SyncRun, void>> {
  const { em, snapshots, viewer, authorize, heartbeatSeconds } = context
  const watched: Subject = { type: 'RUN', id: run }
  const filter = { project: await authorize(viewer, watched), subject: watched }
  const render = (event: LoggedEvent) => asRun(em, event)
  const isLast = ({ status }: SyncRun) => isFinal(status)
  return subscribeTo(context, { watched, filter, render, isLast }, async function* states(open) {
    const queue = open()
    try {
      const { last, run: first } = await snapshots.run(run)
      if (!first) throw new NotFoundError('There is no such run.')
      queue.lastId = last
      yield first
      for (let state = first; !isLast(state); ) {
        const event = await queue.nextWithin(heartbeatSeconds * 1_000)
        if (event === undefined) return
        if (event === lagged) continue
        await withRetry(queue, () => authorize(viewer, watched))
        if (event === idle) continue
        state = render(event)
        yield state
      }
    } finally {
      queue.close()
    }
  })
}

// A subscription waits this long for a database that is down; then it ends with the error.
const maxWaitMs = 120_000
const retryMs = 250

/** Retries a read while the database is down and the subscription is open. */
async function withRetry<T>(queue: SubscriptionQueue, read: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    try {
      return await read()
    } catch (error) {
      if (error instanceof SluiceError || queue.isClosed || waitedMs >= maxWaitMs) throw error
    }
    await sleep(retryMs, undefined, { ref: false })
  }
}

interface Watching<T> {
  watched: Subject
  filter: EventFilter
  /** The message for an event. */
  render: (event: LoggedEvent) => T
  /** True if the stream ends after this value. */
  isLast?: (value: T) => boolean
}

/**
 * Returns the stream that `read` creates from a queue. `read` opens the queue first and closes it last. While the stream waits
 * for an event, messages can be sent directly; direct sends are authorized, too. @throws SluiceError TOO_MANY_SUBSCRIPTIONS
 */
function subscribeTo<T extends object, Message>(
  { events, sendDirect, shared, viewer, authorize, subscriptions, socket }: Context,
  { watched, filter, render, isLast }: Watching<T>,
  read: (open: () => SubscriptionQueue) => AsyncGenerator<Message, void>,
): AsyncGenerator<Message, void> {
  const direct = sendDirect &&
    shared && {
      sendDirect,
      group: `${shared.name} ${nameOf(watched)}`,
      serialize: async (event: LoggedEvent) => {
        const value = render(event)
        if (isLast?.(value)) return undefined
        const [json] = await Promise.all([shared.jsonOf(value), authorize(viewer, watched)])
        return json
      },
    }
  const release = subscriptions.take({ socket, viewer: viewer.id, project: filter.project })
  let queue: SubscriptionQueue | undefined
  const open = () => {
    queue = events.open(filter, direct, release)
    return queue
  }
  return endingBy(read(open), () => {
    queue?.close()
    release()
  })
}

/** True if the page contains no later event of the same subject. Always true for a status, which is never replaced. */
function isNewest(event: LoggedEvent, n: number, page: LoggedEvent[]): boolean {
  return event.kind === 'STATUS' || !page.some((other, m) => m > n && haveSameSubject(other, event))
}
