import { type EventFilter, haveSameSubject, type LoggedEvent, matches } from './log.ts'

/** Events that a queue holds. On overflow it is emptied and the subscriber receives `lagged`. */
export const maxWaiting = 1_000

/** The subscriber was too slow and events were dropped; the log still has them. */
export const lagged = Symbol('lagged')

/** No event arrived within the timeout. */
export const idle = Symbol('idle')

/** Sends a serialized event past the queue; false if the client cannot take it now. */
export type SendDirect = (message: string) => boolean

/** Live events that wait for one subscriber. Newer progress of a subject replaces older progress. */
export class SubscriptionQueue {
  /** Id of the last event that the subscriber received, also from elsewhere. Only later events are delivered. */
  lastId = 0
  readonly #filter: EventFilter
  readonly #onClose: (queue: SubscriptionQueue) => void
  readonly #sendDirect: SendDirect | undefined
  #waiting: (LoggedEvent | typeof lagged)[] = []
  #resume: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(filter: EventFilter, onClose: (queue: SubscriptionQueue) => void, sendDirect?: SendDirect) {
    this.#filter = filter
    this.#onClose = onClose
    this.#sendDirect = sendDirect
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Takes an event if the filter accepts it. `message` is the serialized event. */
  offer(event: LoggedEvent, message?: string): void {
    if (this.#closed || event.id <= this.lastId || !matches(this.#filter, event)) return
    // A subscriber that waits has received everything before.
    if (message !== undefined && this.#resume && this.#sendDirect?.(message)) {
      this.lastId = event.id
      this.#timer?.refresh()
      return
    }
    if (event.kind === 'PROGRESS' && this.#waiting.length > 0) {
      const isCurrent = (e: LoggedEvent) => e.kind !== 'PROGRESS' || !haveSameSubject(e, event)
      this.#waiting = this.#waiting.filter((e) => e === lagged || isCurrent(e))
    }
    this.#waiting.push(event)
    if (this.#waiting.length > maxWaiting) this.#waiting = [lagged, event]
    this.#wake()
  }

  /** Empties the queue; the subscriber receives `lagged`. */
  lag(): void {
    if (this.#closed) return
    this.#waiting = [lagged]
    this.#wake()
  }

  /** The next event, as soon as there is one; undefined after `close`. */
  async next(): Promise<LoggedEvent | typeof lagged | undefined> {
    for (;;) {
      const next = await this.nextWithin(undefined)
      if (next !== idle) return next
    }
  }

  /** As `next`, but `idle` after `ms` milliseconds without an event. */
  async nextWithin(ms: number | undefined): Promise<LoggedEvent | typeof lagged | typeof idle | undefined> {
    while (typeof this.#waiting[0] === 'object' && this.#waiting[0].id <= this.lastId) this.#waiting.shift()
    if (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve
        this.#timer = ms === undefined ? undefined : setTimeout(() => this.#wake(), ms)
      })
    }
    if (this.#closed) return undefined
    const next = this.#waiting.shift() ?? idle
    if (typeof next === 'object') this.lastId = next.id
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
    this.#resume?.()
    this.#resume = undefined
  }
}
