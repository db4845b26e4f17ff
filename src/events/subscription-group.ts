import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LoggedEvent } from './log.ts'
import { lagged, type SubscriptionQueue } from './subscription-queue.ts'

/** Members that are served in one turn of the event loop. */
const membersPerTurn = 256

/** Serializes an event for all members of a group. Undefined, or a rejection, means that each member must render it. */
export type Serialize = (event: LoggedEvent) => Promise<string | undefined>

/**
 * Subscriptions that receive the same messages for the same events. Each event is serialized once. Members that wait for an
 * event receive the message at once; the event goes into the queue of all others.
 */
export class SubscriptionGroup {
  readonly #members = new Set<SubscriptionQueue>()
  readonly #source: SubscriptionQueue

  /** @param source receives the events of the group; it is closed when the last member leaves */
  constructor(source: SubscriptionQueue, serialize: Serialize) {
    this.#source = source
    void this.#distribute(serialize)
  }

  join(member: SubscriptionQueue): void {
    this.#members.add(member)
  }

  leave(member: SubscriptionQueue): void {
    this.#members.delete(member)
    if (this.#members.size === 0) this.#source.close()
  }

  /** Closes all members. */
  close(): void {
    for (const member of this.#members) member.close()
  }

  async #distribute(serialize: Serialize): Promise<void> {
    for (let event = await this.#source.next(); event !== undefined; event = await this.#source.next()) {
      const message = event === lagged ? undefined : await serialize(event).catch(() => undefined)
      let served = 0
      for (const member of this.#members) {
        if (event === lagged) member.lag()
        else member.offer(event, message)
        if (++served % membersPerTurn === 0) await nextTurn()
      }
    }
  }
}
