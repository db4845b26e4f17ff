import { type Clocks, machineClocks, watchClock } from '../../clock-step.ts'
import { timeOf } from '../time-of.ts'

/**
 * Smaller differences are ignored. Responses give the time in whole seconds and arrive late, and the clouds accept 15 minutes
 * (Amazon S3, "RequestTimeTooSkewed"; Azure, "Authorize with Shared Key").
 */
export const skewThatMattersMs = 4 * 60_000
// Applies only while the clock is wrong. Each storage then needs an extra request now and then.
const trustedMs = 10_000

/**
 * The clock of a storage, from the dates of its responses. A storage compares the time in a signature with its own clock. So
 * while the clock of this machine is wrong, signatures use the time of the storage. A measured difference is not used for long,
 * because either clock may be set right.
 */
export interface ServerClock {
  /** Call it with the `Date` header of each response, at its arrival (RFC 9110 §6.6.1). */
  update(date: string | null | undefined): void
  /** The time for signatures, in milliseconds since 1970: that of this machine, plus the difference if it matters. */
  now(): number
  /** Whether `now` may be wrong, so that a new response is needed first. False before the first response. */
  readonly isDoubtful: boolean
  /** Whether the last response with a date is older than 10 seconds. */
  readonly isOld: boolean
}

export function createServerClock(clocks: Clocks = machineClocks): ServerClock {
  let measured: { differenceMs: number; at: number; wasSet: () => boolean } | undefined
  const age = () => (measured ? clocks.elapsed() - measured.at : Number.POSITIVE_INFINITY)
  const differenceMs = () =>
    !measured || measured.wasSet() || Math.abs(measured.differenceMs) < skewThatMattersMs ? 0 : measured.differenceMs
  return {
    update(date) {
      const time = timeOf(date)
      if (!time) return
      measured = { differenceMs: time.getTime() - clocks.now(), at: clocks.elapsed(), wasSet: watchClock(clocks) }
    },
    now: () => clocks.now() + differenceMs(),
    get isDoubtful() {
      return measured !== undefined && (measured.wasSet() || (differenceMs() !== 0 && age() > trustedMs))
    },
    get isOld() {
      return age() > trustedMs
    },
  }
}

/**
 * Makes a function that calls `ask` if the clock is doubtful. `ask` sends a request, whose response updates the clock.
 * Concurrent calls share a request.
 * @throws SluiceError CLOCK_SKEW if the storage refuses the request because of its time. Other errors are ignored: an error
 * response has a date, too, and without a response the time of this machine must do.
 */
export function clockSettler(clock: ServerClock, sendRequest: () => Promise<unknown>): () => Promise<void> {
  let pending: Promise<void> | undefined
  return async () => {
    if (!clock.isDoubtful) return
    pending ??= sendRequest()
      .then(
        () => {},
        (error) => {
          if (error?.code === 'CLOCK_SKEW') throw error
        },
      )
      .finally(() => {
        pending = undefined
      })
    await pending
  }
}
