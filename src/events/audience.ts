import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Feed, lagged } from './feed.ts'
import type { LoggedEvent } from './log.ts'

/** So many readers are told in one go; then other work of the process has its turn. */
const slice = 256

/** What is told of an event to readers who are told the same; undefined, or rejecting: each must find out what. */
export type Prepare = (event: LoggedEvent) => Promise<string | undefined>

/**
 * Readers who are told the same of the same events. What they are told is made once for all of them; those who wait for it take
 * it at once, all others are only offered the event.
 */
export class Audience {
  readonly #members = new Set<Feed>()
  readonly #feed: Feed

  /** @param feed of the events that all of them want; is closed when the last one has left */
  constructor(feed: Feed, prepare: Prepare) {
    this.#feed = feed
    void this.#tell(prepare)
  }

  join(member: Feed): void {
    this.#members.add(member)
  }

  leave(member: Feed): void {
    this.#members.delete(member)
    if (this.#members.size === 0) this.#feed.close()
  }

  /** Closes all of them. */
  close(): void {
    for (const member of this.#members) member.close()
  }

  async #tell(prepare: Prepare): Promise<void> {
    for (let event = await this.#feed.next(); event !== undefined; event = await this.#feed.next()) {
      const message = event === lagged ? undefined : await prepare(event).catch(() => undefined)
      let told = 0
      for (const member of this.#members) {
        if (event === lagged) member.lag()
        else member.offer(event, message)
        if (++told % slice === 0) await nextTurn()
      }
    }
  }
}
