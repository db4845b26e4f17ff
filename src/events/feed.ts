import type { EventFilter, LoggedEvent } from './log.ts'

const maxWaiting = 1_000

/** The reader was too slow: events were dropped. */
export const lagged = Symbol('lagged')

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

  /** Takes an event from the hub if it is one that the reader wants. */
  offer(event: LoggedEvent): void {
    const { project, storage, run } = this.#filter
    if (project !== undefined && event.project !== project) return
    if (storage !== undefined && event.storage !== storage) return
    if (run !== undefined && event.run !== run) return
    if (event.kind === 'PROGRESS') {
      this.#waiting = this.#waiting.filter((e) => e === lagged || e.kind !== 'PROGRESS' || e.run !== event.run)
    }
    this.#waiting.push(event)
    if (this.#waiting.length > maxWaiting) this.#waiting = [lagged, event]
    this.#wake?.()
  }

  /** The next event, as soon as there is one; undefined once the feed is closed. */
  async next(): Promise<LoggedEvent | typeof lagged | undefined> {
    while (!this.#closed && this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#closed ? undefined : this.#waiting.shift()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = []
    this.#onClose()
    this.#wake?.()
  }
}
