import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, SluiceError } from '../../errors.ts'

const maxTries = 4
const longestWaitMs = 10_000
const transient = new Set<ErrorCode>(['THROTTLED', 'UNREACHABLE', 'CONNECTION_REFUSED', 'TIMEOUT'])

/**
 * Retries transient errors, up to 4 attempts. The wait is random, its maximum doubles, and `Retry-After` is added; it is at
 * most 10 s. The SDK's own retry is switched off: it waits without jitter, retries an unresolvable host for half a minute, and
 * does not retry 429, 502 and 504.
 * @throws the last error, converted by `wrap`; TIMEOUT if no response arrived within `timeoutMs`; the reason of `signal`.
 */
export async function withRetries<T>(
  {
    signal,
    timeoutMs,
    wrap,
    turn,
  }: {
    signal?: AbortSignal | undefined
    timeoutMs: number
    wrap: (error: unknown) => SluiceError
    /** Waits until an attempt may be sent. Undefined if it may be sent at once. */
    turn: () => Promise<void> | undefined
  },
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const mine = turn()
    if (mine) await mine
    const giveUp = new AbortController()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      giveUp.abort()
    }, timeoutMs)
    const abort = () => giveUp.abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await send(giveUp.signal)
    } catch (error) {
      // A response that could not be read may still be open.
      giveUp.abort()
      signal?.throwIfAborted()
      const fault = isLate ? new SluiceError('TIMEOUT', undefined, { cause: error }) : wrap(error)
      if (attempt === maxTries || !transient.has(fault.code)) throw fault
      await wait(waitMs(fault, attempt), signal)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }
}

function waitMs(fault: SluiceError, attempt: number): number {
  const longest = (fault.code === 'THROTTLED' ? 500 : 100) * 2 ** attempt
  const headers = (fault.cause as { response?: { headers?: { get(name: string): string | undefined } } }).response
    ?.headers
  const header = Number(headers?.get('retry-after')) * 1000 || 0
  return Math.min(header + Math.random() * longest, longestWaitMs)
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
}
