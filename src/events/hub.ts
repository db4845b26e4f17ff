import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import type { Logger } from '../logger.ts'
import type { Listener } from './listen.ts'
import { type EventFilter, eventChannel, lastEventId, readEvents } from './log.ts'
import { type Serialize, SubscriptionGroup } from './subscription-group.ts'
import { type SendDirect, SubscriptionQueue } from './subscription-queue.ts'

const pageSize = 1_000

/** Fast path: equal subscriptions share one serialized message. */
export interface DirectDelivery {
  /** Subscriptions with the same group receive the same messages. */
  group: string
  /** The function of one member serves the whole group. */
  serialize: Serialize
  sendDirect: SendDirect
}

/** Distributes committed events of the log to the subscriptions of this process, whichever process wrote them. */
export interface EventHub {
  /** Resolves when no later event can be missed. The listener has been started. */
  start(): Promise<void>
  /** Opens a queue for events that are committed from now on; the caller closes it. With `direct`, messages can bypass it. */
  open(filter: EventFilter, direct?: DirectDelivery, onClose?: () => void): SubscriptionQueue
  /** Number of open queues. */
  readonly size: number
  /** Closes all queues. */
  stop(): Promise<void>
}

/**
 * A notification only says that the log has grown; the hub reads the events from the table. So a lost connection loses nothing:
 * the hub continues at its position when it listens again.
 */
export function createEventHub(listener: Listener, em: () => EntityManager, logger: Logger): EventHub {
  const queues = new Set<SubscriptionQueue>()
  const groups = new Map<string, SubscriptionGroup>()
  let size = 0
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
        for (const queue of queues) queue.offer(event)
      }
    }
  }

  function wake(): void {
    // `start` reads what was committed before.
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

  function openQueue(filter: EventFilter, onClose: () => void): SubscriptionQueue {
    const queue = new SubscriptionQueue(filter, (closed) => {
      queues.delete(closed)
      onClose()
    })
    queues.add(queue)
    return queue
  }

  function groupOf(filter: EventFilter, { group: name, serialize }: DirectDelivery): SubscriptionGroup {
    let group = groups.get(name)
    if (!group) {
      group = new SubscriptionGroup(
        openQueue(filter, () => groups.delete(name)),
        serialize,
      )
      groups.set(name, group)
    }
    return group
  }

  listener.on(eventChannel, wake)

  return {
    async start() {
      lastSeen = await lastEventId(em())
      // Events that were committed meanwhile.
      wake()
    },
    open(filter, direct, onClose) {
      size++
      const left = () => {
        size--
        onClose?.()
      }
      if (!direct) return openQueue(filter, left)
      const group = groupOf(filter, direct)
      const queue = new SubscriptionQueue(
        filter,
        (closed) => {
          left()
          group.leave(closed)
        },
        direct.sendDirect,
      )
      group.join(queue)
      return queue
    },
    get size() {
      return size
    },
    async stop() {
      stopped = true
      for (const one of [...groups.values(), ...queues]) one.close()
      await reading
    },
  }
}
