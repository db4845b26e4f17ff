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
export interface CallOptions {
  signal: AbortSignal
  /** A cheap call that succeeds, or is refused, once the location is back. */
  probe: () => Promise<unknown>
  /** Called when the storage asks to slow down. */
  slowDown?: () => void
}

/** The circuit breaker of one run and location in one process. */
export interface Breaker {
  /** Aborts with the error of the location when the retry window has ended; the run then fails with this error. */
  readonly signal: AbortSignal
  /**
   * Makes a call. While the location is unavailable, all calls wait, and one probe at a time checks whether it is back. Rejects with
   * errors of `work` that are no outage, and with the reason of `signal` or of the breaker.
   */
  call<T>(options: CallOptions, work: () => Promise<T>): Promise<T>
  /** Ends the current pause between two probes. */
  retryNow(): void
  /** Ends all pauses and reports nothing any more. */
  close(): void
}

const firstPauseMs = 250
const longestPauseMs = 15_000
// A call that the storage asks to slow down waits and retries alone; other calls continue.
const slowDownMs = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000]
// A call that fails this often while the probe succeeds fails because of its own object.
const maxFailures = 4

/**
 * Creates a closed breaker. `hasResponded`: whether the location has responded to this run; until then, errors are passed on.
 * `alreadyPausedMs`: how long the run has already waited in another process. `report` receives each pause, and null at its end.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods share the state of the breaker, and each is short
export function createBreaker(options: {
  /** Null: errors of the location are thrown at once. */
  retryWindowMs: number | null
  hasResponded: boolean
  alreadyPausedMs?: number | undefined
  report: (pause: Pause | null) => void
}): Breaker {
  const { retryWindowMs } = options
  const expired = new AbortController()
  const closing = new AbortController()
  let { hasResponded } = options
  let outage =
    options.alreadyPausedMs === undefined
      ? undefined
      : { startedAt: performance.now() - options.alreadyPausedMs, tries: 0 }
  let paused: Promise<void> | undefined
  let resumedAt = Number.NEGATIVE_INFINITY
  let wake = () => {}
  let probing: Promise<boolean> | undefined
  let isReported = outage !== undefined

  const report = (pause: Pause | null) => {
    if (closing.signal.aborted || (!pause && !isReported)) return
    isReported = pause !== null
    options.report(pause)
  }

  const pauseFor = async (ms: number) => {
    const waking = new AbortController()
    wake = () => waking.abort()
    await sleep(ms, undefined, { signal: AbortSignal.any([waking.signal, closing.signal]) }).catch(() => {})
  }

  const waitUntilBack = async (first: SluiceError, probe: CallOptions['probe'], retryWindowMs: number) => {
    outage ??= { startedAt: performance.now(), tries: 0 }
    for (let error = first; !closing.signal.aborted; ) {
      const sinceMs = performance.now() - outage.startedAt
      const givesUpInMs = retryWindowMs - sinceMs
      if (givesUpInMs <= 0) return expired.abort(windowExceeded(error, retryWindowMs))
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** outage.tries++) * (0.75 + Math.random() / 2)
      const retryInMs = Math.min(pauseMs, givesUpInMs)
      report({ code: error.code, sinceMs, retryInMs, givesUpInMs })
      await pauseFor(retryInMs)
      const probed = closing.signal.aborted ? undefined : await probeError(probe)
      if (!probed) break
      error = probed
    }
    resumedAt = performance.now()
    report(null)
  }

  const pause = (error: SluiceError, { probe, signal }: CallOptions, retryWindowMs: number) => {
    paused ??= waitUntilBack(error, probe, retryWindowMs).finally(() => {
      paused = undefined
    })
    return orAbort(paused, signal)
  }

  /** The location has responded to a call that began at `startedAt`. */
  const responded = (startedAt: number) => {
    hasResponded = true
    if (!outage || paused || startedAt < resumedAt) return
    outage = undefined
    report(null)
  }

  /** Probes the location after a timeout, because a call can also take too long because of its own object. */
  const isUnavailable = async ({ probe }: CallOptions) => {
    probing ??= probeError(probe)
      .then((error) => error !== undefined)
      .finally(() => {
        probing = undefined
      })
    return probing
  }

  return {
    signal: expired.signal,

    async call(callOptions, work) {
      const { signal, slowDown } = callOptions
      let slowed = 0
      for (let failures = 0; ; ) {
        while (paused) await orAbort(paused, signal)
        expired.signal.throwIfAborted()
        signal.throwIfAborted()
        const startedAt = performance.now()
        try {
          const value = await work()
          responded(startedAt)
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
          if (isAnswer(error)) responded(startedAt)
          // A 503 is a response, too.
          if (codeOf(error) === 'THROTTLED') hasResponded = true
          const isLate = codeOf(error) === 'TIMEOUT' && hasResponded
          const isFault = isOutage(error) || asksToSlowDown(error) || (isLate && (await isUnavailable(callOptions)))
          if (!isFault || !hasResponded || retryWindowMs === null || !(error instanceof SluiceError)) throw error
          // The call began before the pause, which has ended meanwhile.
          if (startedAt < resumedAt) continue
          if (++failures > maxFailures) throw error
          await pause(error, callOptions, retryWindowMs)
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
async function probeError(probe: () => Promise<unknown>): Promise<SluiceError | undefined> {
  try {
    await probe()
    return undefined
  } catch (error) {
    const isUnavailable = isOutage(error) || asksToSlowDown(error) || codeOf(error) === 'TIMEOUT'
    return isUnavailable && error instanceof SluiceError ? error : undefined
  }
}

function windowExceeded({ code, message, remote, cause }: SluiceError, retryWindowMs: number): SluiceError {
  const text =
    `${message} The run has retried for ${Math.round(retryWindowMs / 1_000)} s (STORAGE_PATIENCE). ` +
    'The results so far are saved. Start the sync again when the storage is available.'
  return new SluiceError(code, text, { cause, remote })
}
