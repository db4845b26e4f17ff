import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../errors.ts'

const maxTries = 4
const longestWaitMs = 10_000

/** The pause before the next attempt: `minMs`, and up to `baseMs` more at random, which doubles with each attempt. */
export interface Pause {
  baseMs: number
  minMs?: number
}

interface Retry {
  signal?: AbortSignal | undefined
  /** Undefined if the error is not transient. */
  pauseAfter(error: unknown): Pause | undefined | Promise<Pause | undefined>
}

/**
 * Calls `send` up to 4 times, with jittered exponential backoff of at most 10 s.
 * @throws the last error; the reason of `signal`
 */
export async function withRetry<T>({ signal, pauseAfter }: Retry, send: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await send()
    } catch (error) {
      signal?.throwIfAborted()
      const pause = attempt < maxTries ? await pauseAfter(error) : undefined
      if (!pause) throw error
      const ms = Math.min((pause.minMs ?? 0) + Math.random() * pause.baseMs * 2 ** attempt, longestWaitMs)
      await sleep(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  }
}

/**
 * Calls `send` with a signal that aborts after `ms`, with `signal`, and when `send` has failed: a response that could not be read may
 * still be open.
 * @throws SluiceError TIMEOUT; otherwise the error of `send`
 */
export async function withTimeout<T>(
  { signal, ms }: { signal?: AbortSignal | undefined; ms: number },
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const abort = () => controller.abort()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    abort()
  }, ms)
  // `AbortSignal.any` would keep the combined signal in memory as long as `signal`, which may be that of a whole run.
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await send(controller.signal)
  } catch (error) {
    abort()
    throw isLate && !signal?.aborted ? new SluiceError('TIMEOUT', undefined, { cause: error }) : error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
