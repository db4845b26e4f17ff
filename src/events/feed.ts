import type { EventFilter, LoggedEvent } from './log.ts'

/** Events that wait for a reader; when there are more, it is told that it has lagged and all of them are dropped. */
export const maxWaiting = 1_000

/** The reader was too slow: events were dropped, which the log still has. */
export const lagged = Symbol('lagged')

/** Nothing happened in the time that the reader wanted to wait. */
export const quiet = Symbol('quiet')

/** Live events for one reader: a bounded queue in which newer progress replaces older progress of the same run. */
export class Feed {
  readonly #filter: EventFilter
  readonly #onClose: () => void
  #waiting: (LoggedEvent | typeof lagged)[] = []
  #wake: (() => void) | undefined
  #closed = false

  constructor(filter: EventFilter, onClose: (feed: Feed) => void) {
    this.#filter = filter
    this.#onClose = () => onClose(this)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Takes an event from the hub if it is one that the reader wants. */
  offer(event: LoggedEvent): void {
    const { project, storage, run } = this.#filter
    if (project !== undefined && event.project !== project) return
    if (storage !== undefined && event.storage !== storage) return
    if (run !== undefined && event.run !== run) return
    if (event.kind === 'PROGRESS' && this.#waiting.length > 0) {
      this.#waiting = this.#waiting.filter((e) => e === lagged || e.kind !== 'PROGRESS' || e.run !== event.run)
    }
    this.#waiting.push(event)
    if (this.#waiting.length > maxWaiting) this.#waiting = [lagged, event]
    this.#wake?.()
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
    if (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    return this.#closed ? undefined : (this.#waiting.shift() ?? quiet)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = []
    this.#onClose()
    this.#wake?.()
  }
}
