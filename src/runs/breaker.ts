import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, SluiceError } from '../errors.ts'
import { orAbort } from '../or-abort.ts'
import { asksToSlowDown, isAnswer, isOutage } from '../providers/outage.ts'

/** Why and how long calls pause, in milliseconds from now. */
export interface Pause {
  code: ErrorCode
  /** Time since the first failed call. */
  sinceMs: number
  retryInMs: number
  givesUpInMs: number
}

/** How calls to the location are made. */
export interface Calling {
  signal: AbortSignal
  /** A cheap call that succeeds, or is refused, once the location is back. */
  probe: () => Promise<unknown>
  /** Called when the storage asks to slow down. */
  slowDown?: () => void
}

/** The circuit breaker of one run and location in one process. */
export interface Breaker {
  /** Aborts with the error of the location when the patience has ended; the run then fails with it. */
  readonly signal: AbortSignal
  /**
   * Makes a call. While the location is unavailable, all calls wait, and one probe at a time checks whether it is back. Rejects with
   * errors of `work` that are no outage, and with the reason of `signal` or of the breaker.
   */
  call<T>(calling: Calling, work: () => Promise<T>): Promise<T>
  /** Ends the current pause between two probes. */
  retryNow(): void
  /** Ends all pauses and reports nothing any more. */
  close(): void
}

const firstPauseMs = 250
const longestPauseMs = 15_000
// Each call that the storage asks to slow down retries by itself; the others continue.
const slowDownMs = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000]
// A call that fails this often while the probe succeeds fails because of its own object.
const maxFailures = 4

/**
 * Creates a closed breaker. `hasResponded`: whether the location has responded to this run; until then, errors are passed on.
 * `awaySinceMs`: how long the run has already waited in another process. `report` receives each pause, and null at its end.
 */
export function createBreaker(options: {
  /** Null: errors of the location are thrown at once. */
  patienceMs: number | null
  hasResponded: boolean
  awaySinceMs?: number | undefined
  report: (pause: Pause | null) => void
}): Breaker {
  const { patienceMs } = options
  const gaveUp = new AbortController()
  const closing = new AbortController()
  let { hasResponded } = options
  let outage =
    options.awaySinceMs === undefined ? undefined : { startedAt: performance.now() - options.awaySinceMs, tries: 0 }
  let paused: Promise<void> | undefined
  let resumedAt = Number.NEGATIVE_INFINITY
  let wake = () => {}
  let looking: Promise<boolean> | undefined
  let isReported = outage !== undefined

  const report = (pause: Pause | null) => {
    if (closing.signal.aborted || (!pause && !isReported)) return
    isReported = pause !== null
    options.report(pause)
  }

  const rest = async (ms: number) => {
    const waking = new AbortController()
    wake = () => waking.abort()
    await sleep(ms, undefined, { signal: AbortSignal.any([waking.signal, closing.signal]) }).catch(() => {})
  }

  const waitUntilBack = async (first: SluiceError, probe: Calling['probe'], patienceMs: number) => {
    outage ??= { startedAt: performance.now(), tries: 0 }
    for (let fault = first; !closing.signal.aborted; ) {
      const sinceMs = performance.now() - outage.startedAt
      const givesUpInMs = patienceMs - sinceMs
      if (givesUpInMs <= 0) return gaveUp.abort(exhausted(fault, patienceMs))
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** outage.tries++) * (0.75 + Math.random() / 2)
      const retryInMs = Math.min(pauseMs, givesUpInMs)
      report({ code: fault.code, sinceMs, retryInMs, givesUpInMs })
      await rest(retryInMs)
      const probed = closing.signal.aborted ? undefined : await faultOf(probe)
      if (!probed) break
      fault = probed
    }
    resumedAt = performance.now()
    report(null)
  }

  const pause = (fault: SluiceError, { probe, signal }: Calling, patienceMs: number) => {
    paused ??= waitUntilBack(fault, probe, patienceMs).finally(() => {
      paused = undefined
    })
    return orAbort(paused, signal)
  }

  /** The location has responded to a call that began at `begun`. */
  const responded = (begun: number) => {
    hasResponded = true
    if (!outage || paused || begun < resumedAt) return
    outage = undefined
    report(null)
  }

  /** A call may take too long because of its own object. */
  const isAway = async ({ probe }: Calling) => {
    looking ??= faultOf(probe)
      .then((fault) => fault !== undefined)
      .finally(() => {
        looking = undefined
      })
    return looking
  }

  return {
    signal: gaveUp.signal,

    async call(calling, work) {
      const { signal, slowDown } = calling
      let slowed = 0
      for (let failures = 0; ; ) {
        while (paused) await orAbort(paused, signal)
        gaveUp.signal.throwIfAborted()
        signal.throwIfAborted()
        const begun = performance.now()
        try {
          const value = await work()
          responded(begun)
          return value
        } catch (error) {
          signal.throwIfAborted()
          if (asksToSlowDown(error)) {
            hasResponded = true
            slowDown?.()
            const delayMs = slowDownMs[slowed++]
            if (delayMs !== undefined) {
              await sleep(delayMs * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted())
              continue
            }
          }
          if (isAnswer(error)) responded(begun)
          // A 503 is a response, too.
          if (codeOf(error) === 'THROTTLED') hasResponded = true
          const isLate = codeOf(error) === 'TIMEOUT' && hasResponded
          const isFault = isOutage(error) || asksToSlowDown(error) || (isLate && (await isAway(calling)))
          if (!isFault || !hasResponded || patienceMs === null || !(error instanceof SluiceError)) throw error
          // The call began before the pause, which has ended meanwhile.
          if (begun < resumedAt) continue
          if (++failures > maxFailures) throw error
          await pause(error, calling, patienceMs)
        }
      }
    },

    retryNow() {
      if (outage) outage.tries = 0
      wake()
    },

    close() {
      closing.abort()
    },
  }
}

const codeOf = (error: unknown) => (error instanceof SluiceError ? error.code : undefined)

/** Why the location is still unavailable; undefined if it responds. */
async function faultOf(probe: () => Promise<unknown>): Promise<SluiceError | undefined> {
  try {
    await probe()
    return undefined
  } catch (error) {
    const isAway = isOutage(error) || asksToSlowDown(error) || codeOf(error) === 'TIMEOUT'
    return isAway && error instanceof SluiceError ? error : undefined
  }
}

function exhausted({ code, message, remote, cause }: SluiceError, patienceMs: number): SluiceError {
  const text =
    `${message} The run has retried for ${Math.round(patienceMs / 1_000)} s (STORAGE_PATIENCE). ` +
    'Start the sync again when the storage is back; what is done stays.'
  return new SluiceError(code, text, { cause, remote })
}
