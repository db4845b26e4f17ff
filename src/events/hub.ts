import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Logger } from '../logger.ts'
import { Audience, type Prepare } from './audience.ts'
import { Feed, type Push } from './feed.ts'
import type { Listener } from './listen.ts'
import { type EventFilter, eventChannel, lastEventId, readEvents } from './log.ts'

const pageSize = 1_000

/** How a reader is told at once what all of its audience are told. */
export interface Direct {
  /** Readers with the same name for it want the same events, and are told the same of each. */
  audience: string
  /** Of one of them is used for all. */
  prepare: Prepare
  push: Push
}

/** Hands the events of the log to this process's readers as they are committed, whichever process wrote them. */
export interface EventHub {
  /** Resolves when no later event can be missed. The listener has been started. */
  start(): Promise<void>
  /** Opens a feed of events committed from now on. The reader closes it. With `direct`, not all of them come through it. */
  open(filter: EventFilter, direct?: Direct, onClose?: () => void): Feed
  /** Number of open feeds. */
  readonly size: number
  /** Closes all feeds. */
  stop(): Promise<void>
}

/**
 * A notification only says that the log has grown; the events come from the table, so a lost connection loses nothing: when it
 * listens again the hub reads on where it was.
 */
export function createEventHub(listener: Listener, em: () => EntityManager, logger: Logger): EventHub {
  const feeds = new Set<Feed>()
  const audiences = new Map<string, Audience>()
  let readers = 0
  let lastSeen: number | undefined
  let stopped = false
  let reading: Promise<void> | undefined
  let again = false

  async function readOn(): Promise<void> {
    while (again && !stopped && lastSeen !== undefined) {
      again = false
      const events = await readEvents(em(), lastSeen, {}, pageSize)
      again ||= events.length === pageSize
      for (const event of events) {
        lastSeen = event.id
        for (const feed of feeds) feed.offer(event)
      }
    }
  }

  function wake(): void {
    // The start reads what it is told of before.
    if (lastSeen === undefined) return
    again = true
    reading ??= readOn()
      .catch(async (error) => {
        logger.warn({ err: error }, 'the event log cannot be read yet')
        again = true
        await sleep(500, undefined, { ref: false })
      })
      .finally(() => {
        reading = undefined
        if (again && !stopped) wake()
      })
  }

  function openOffered(filter: EventFilter, onClose: () => void): Feed {
    const feed = new Feed(filter, (closed) => {
      feeds.delete(closed)
      onClose()
    })
    feeds.add(feed)
    return feed
  }

  function audienceOf(filter: EventFilter, { audience: name, prepare }: Direct): Audience {
    let audience = audiences.get(name)
    if (!audience) {
      audience = new Audience(
        openOffered(filter, () => audiences.delete(name)),
        prepare,
      )
      audiences.set(name, audience)
    }
    return audience
  }

  listener.on(eventChannel, wake)

  return {
    async start() {
      lastSeen = await lastEventId(em())
      // What was told of meanwhile.
      wake()
    },
    open(filter, direct, onClose) {
      readers++
      const left = () => {
        readers--
        onClose?.()
      }
      if (!direct) return openOffered(filter, left)
      const audience = audienceOf(filter, direct)
      const feed = new Feed(
        filter,
        (closed) => {
          left()
          audience.leave(closed)
        },
        direct.push,
      )
      audience.join(feed)
      return feed
    },
    get size() {
      return readers
    },
    async stop() {
      stopped = true
      for (const one of [...audiences.values(), ...feeds]) one.close()
      await reading
    },
  }
}
