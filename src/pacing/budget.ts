import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../errors.ts'
import type { Lane } from '../providers/pace.ts'
import type { Reservation } from './reserve.ts'

/** Seconds for which a process reserves budget in advance. A smaller value needs more statements. */
const sliceSeconds = 0.1
/** Milliseconds after its time at which a reservation expires, so that an idle process does not accumulate budget. */
const graceMs = 100
/** How long callers wait for a database that does not respond. After a minute, another process has taken over the runs. */
const defaultPatienceMs: Record<Lane, number> = { PEOPLE: 5_000, RUNS: 60_000 }
const retryMs = 250

interface Waiter {
  amount: number
  grant: () => void
  refuse: (error: Error) => void
}

/** The budget of one storage for requests or for bytes, as this process uses it. */
export class Budget {
  #perSecond: number | null = null
  #left = 0
  #lapsesAt = 0
  #used = 0
  #isReserving = false
  #last: Lane = 'RUNS'
  readonly #waiting: Record<Lane, Waiter[]> = { PEOPLE: [], RUNS: [] }
  readonly #reserve: (amount: number) => Promise<Reservation | undefined>
  readonly #patienceMs: Record<Lane, number>

  /** `reserve` reserves an amount for this process. It returns undefined if there is no limit any more. */
  constructor(reserve: (amount: number) => Promise<Reservation | undefined>, patienceMs = defaultPatienceMs) {
    this.#reserve = reserve
    this.#patienceMs = patienceMs
  }

  /** The limit per second as last read. Null: no limit. */
  set perSecond(limit: number | null) {
    this.#perSecond = limit
  }

  get perSecond(): number | null {
    return this.#perSecond
  }

  /** Takes an amount. Returns undefined if it is available at once, otherwise waits. Rejects with the reason of `signal`. */
  take(amount: number, lane: Lane, signal?: AbortSignal): Promise<void> | undefined {
    if (this.#perSecond === null || amount === 0) return undefined
    if (!this.#isReserving && this.#left >= amount && performance.now() < this.#lapsesAt) {
      this.#spend(amount)
      return undefined
    }
    return this.#wait(amount, lane, signal)
  }

  #wait(amount: number, lane: Lane, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const queue = this.#waiting[lane]
    const waited = new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.splice(queue.indexOf(waiter), 1)
        reject(signal!.reason)
      }
      const done = () => signal?.removeEventListener('abort', leave)
      const waiter: Waiter = {
        amount,
        grant() {
          done()
          resolve()
        },
        refuse(error) {
          done()
          reject(error)
        },
      }
      queue.push(waiter)
      signal?.addEventListener('abort', leave, { once: true })
    })
    if (!this.#isReserving) void this.#serve()
    return waited
  }

  /** Reserves and grants budget until no caller waits. Never rejects. */
  async #serve(): Promise<void> {
    this.#isReserving = true
    let failingSince: number | undefined
    for (let first = this.#next(); first; first = this.#next()) {
      try {
        const reserved = await this.#reserve(this.#amountFor(first))
        failingSince = undefined
        if (!reserved) {
          this.#perSecond = null
          this.#grant(Number.POSITIVE_INFINITY)
          this.#left = 0
        } else {
          const { amount, perSecond, inMs } = reserved
          this.#perSecond = perSecond
          if (inMs > 0) await sleep(inMs, undefined, { ref: false })
          this.#used = 0
          this.#lapsesAt = performance.now() + (1_000 * amount) / perSecond + graceMs
          this.#grant(amount)
        }
      } catch (cause) {
        failingSince ??= performance.now()
        this.#refuse(performance.now() - failingSince, cause)
        await sleep(retryMs, undefined, { ref: false })
      }
    }
    this.#isReserving = false
  }

  /** The amount that the next caller needs. More if others wait or were served recently, up to the budget of one slice. */
  #amountFor(first: Waiter): number {
    const slice = Math.floor((this.#perSecond ?? 0) * sliceSeconds)
    let wanted = this.#used
    for (const queue of Object.values(this.#waiting)) for (const { amount } of queue) wanted += amount
    return Math.max(first.amount, Math.min(slice, wanted))
  }

  #grant(amount: number): void {
    this.#left = amount
    for (let next = this.#next(); next && next.amount <= this.#left; next = this.#next()) {
      this.#last = this.#laneOf(next)
      this.#waiting[this.#last].shift()
      this.#spend(next.amount)
      next.grant()
    }
  }

  #spend(amount: number): void {
    this.#left -= amount
    this.#used += amount
  }

  /** The next caller. The lanes take turns. */
  #next(): Waiter | undefined {
    const { PEOPLE, RUNS } = this.#waiting
    return this.#last === 'RUNS' ? (PEOPLE[0] ?? RUNS[0]) : (RUNS[0] ?? PEOPLE[0])
  }

  #laneOf(waiter: Waiter): Lane {
    return this.#waiting.PEOPLE[0] === waiter ? 'PEOPLE' : 'RUNS'
  }

  #refuse(failingMs: number, cause: unknown): void {
    for (const lane of ['PEOPLE', 'RUNS'] as const) {
      if (failingMs < this.#patienceMs[lane]) continue
      for (const { refuse } of this.#waiting[lane].splice(0)) refuse(new SluiceError('INTERNAL', undefined, { cause }))
    }
  }
}
