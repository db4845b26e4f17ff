import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, SluiceError } from '../../errors.ts'

const maxTries = 4
const longestWaitMs = 10_000
const transient = new Set<ErrorCode>(['THROTTLED', 'UNREACHABLE', 'CONNECTION_REFUSED', 'TIMEOUT'])

/**
 * Sends until it works: transient faults are tried again, with a random wait that doubles, at least what the storage asks
 * for. The SDK's own retry waits without jitter, tries a name that does not exist again for half a minute, and leaves 429,
 * 502 and 504 alone, so it is switched off.
 * @throws what `wrap` makes of the last fault; TIMEOUT when no answer came within `timeoutMs`; the reason of `signal`.
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
    /** Waits until an attempt may be sent; undefined if it may at once. */
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
      // An answer that was not understood may still be open.
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
  const asked = Number(headers?.get('retry-after')) * 1000 || 0
  return Math.min(asked + Math.random() * longest, longestWaitMs)
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
}
