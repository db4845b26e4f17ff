import { type Clocks, machineClocks, watchClock } from '../../clock-step.ts'
import { timeOf } from '../time-of.ts'

/**
 * A smaller difference is ignored: responses tell the time in whole seconds and arrive late, and the clouds accept 15 minutes
 * (Amazon S3, "RequestTimeTooSkewed"; Azure, "Authorize with Shared Key").
 */
export const skewThatMattersMs = 4 * 60_000
// Only for a clock that is wrong, so that each storage costs a request now and then.
const trustedMs = 10_000

/**
 * The clock of a storage, as its responses tell it. Signatures carry a time that the storage compares with its own, so while the
 * clock of this machine is wrong, they are made with the storage's. A difference that was seen earlier is never used for long: the
 * clock of either may be corrected.
 */
export interface ServerClock {
  /** Takes the header `Date` of a response that has just arrived (RFC 9110 §6.6.1). */
  learn(date: string | null | undefined): void
  /** The time to sign with, in milliseconds since 1970: that of this machine, plus a difference that matters. */
  now(): number
  /** Whether `now` may be wrong, so that a request must tell the time first. False while no response has told it. */
  readonly isDoubtful: boolean
  /** Whether no response has told the time for 10 seconds. */
  readonly isOld: boolean
}

export function createServerClock(clocks: Clocks = machineClocks): ServerClock {
  let seen: { differenceMs: number; at: number; wasSet: () => boolean } | undefined
  const age = () => (seen ? clocks.elapsed() - seen.at : Number.POSITIVE_INFINITY)
  const differenceMs = () =>
    !seen || seen.wasSet() || Math.abs(seen.differenceMs) < skewThatMattersMs ? 0 : seen.differenceMs
  return {
    learn(date) {
      const time = timeOf(date)
      if (!time) return
      seen = { differenceMs: time.getTime() - clocks.now(), at: clocks.elapsed(), wasSet: watchClock(clocks) }
    },
    now: () => clocks.now() + differenceMs(),
    get isDoubtful() {
      return seen !== undefined && (seen.wasSet() || (differenceMs() !== 0 && age() > trustedMs))
    },
    get isOld() {
      return age() > trustedMs
    },
  }
}

/**
 * Makes a function that has `ask` send a request if the clock is doubtful, whose response the clock learns from. Concurrent calls
 * share a request.
 * @throws SluiceError CLOCK_SKEW if the storage refuses the request for its time. Any other fault is ignored: its response tells
 *   the time, too, and without a response the time of this machine is the best there is.
 */
export function clockSettler(clock: ServerClock, ask: () => Promise<unknown>): () => Promise<void> {
  let asking: Promise<void> | undefined
  return async () => {
    if (!clock.isDoubtful) return
    asking ??= ask()
      .then(
        () => {},
        (error) => {
          if (error?.code === 'CLOCK_SKEW') throw error
        },
      )
      .finally(() => {
        asking = undefined
      })
    await asking
  }
}
