import type { EventFilter, LoggedEvent } from './log.ts'

/** Events that wait for a reader; when there are more, it is told that it has lagged and all of them are dropped. */
export const maxWaiting = 1_000

/** The reader was too slow: events were dropped, which the log still has. */
export const lagged = Symbol('lagged')

/** Nothing happened in the time that the reader wanted to wait. */
export const quiet = Symbol('quiet')

/** Takes what was made of an event in place of a reader who waits for one; false if it has to go to the reader. */
export type Push = (message: string) => boolean

/** Live events for one reader: a bounded queue in which newer progress replaces older progress of the same run. */
export class Feed {
  /** The last event that the reader has been given, or has found elsewhere: only later ones are given to it. */
  seen = 0
  readonly #filter: EventFilter
  readonly #onClose: (feed: Feed) => void
  readonly #push: Push | undefined
  #waiting: (LoggedEvent | typeof lagged)[] = []
  #wakeReader: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(filter: EventFilter, onClose: (feed: Feed) => void, push?: Push) {
    this.#filter = filter
    this.#onClose = onClose
    this.#push = push
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Takes an event if it is one that the reader wants; `message` is what was made of it. */
  offer(event: LoggedEvent, message?: string): void {
    const { project, storage, run } = this.#filter
    if (project !== undefined && event.project !== project) return
    if (storage !== undefined && event.storage !== storage) return
    if (run !== undefined && event.run !== run) return
    if (this.#closed || event.id <= this.seen) return
    // A reader that waits has told all before.
    if (message !== undefined && this.#wakeReader && this.#push?.(message)) {
      this.seen = event.id
      this.#timer?.refresh()
      return
    }
    if (event.kind === 'PROGRESS' && this.#waiting.length > 0) {
      this.#waiting = this.#waiting.filter((e) => e === lagged || e.kind !== 'PROGRESS' || e.run !== event.run)
    }
    this.#waiting.push(event)
    if (this.#waiting.length > maxWaiting) this.#waiting = [lagged, event]
    this.#wake()
  }

  /** Drops what waits, and tells the reader. */
  lag(): void {
    if (this.#closed) return
    this.#waiting = [lagged]
    this.#wake()
  }

  /** The next event, as soon as there is one; undefined once the feed is closed. */
  async next(): Promise<LoggedEvent | typeof lagged | undefined> {
    for (;;) {
      const next = await this.nextWithin(undefined)
      if (next !== quiet) return next
    }
  }

  /** As `next`, but `quiet` after so many milliseconds without an event. */
  async nextWithin(ms: number | undefined): Promise<LoggedEvent | typeof lagged | typeof quiet | undefined> {
    while (typeof this.#waiting[0] === 'object' && this.#waiting[0].id <= this.seen) this.#waiting.shift()
    if (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve
        this.#timer = ms === undefined ? undefined : setTimeout(() => this.#wake(), ms)
      })
    }
    if (this.#closed) return undefined
    const next = this.#waiting.shift() ?? quiet
    if (typeof next === 'object') this.seen = next.id
    return next
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = []
    this.#onClose(this)
    this.#wake()
  }

  #wake(): void {
    clearTimeout(this.#timer)
    this.#wakeReader?.()
    this.#wakeReader = undefined
  }
}
