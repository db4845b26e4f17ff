import type { ExecutionResult, Operation } from './document.ts'
import { dataOf } from './errors.ts'

/** Carries subscriptions. */
export interface Transport {
  /**
   * Opens a subscription once: yields the data of each message and ends when the server completes it.
   * @throws ApiError if the server refuses or ends it with an error; ConnectionError if the connection is lost; the reason of
   * `signal` once it aborts
   */
  open(operation: Operation, signal: AbortSignal): AsyncIterable<Record<string, unknown>>
  /** Closes its connections. */
  close(): Promise<void>
}

/** Yields the data of each result of `graphql-ws` or `graphql-sse` until `signal` aborts. Closes the iterator in any case. */
export async function* dataUntilAborted(
  source: AsyncIterableIterator<unknown>,
  signal: AbortSignal,
): AsyncGenerator<Record<string, unknown>> {
  // Both libraries end a pending `next()` when `return()` is called.
  const stop = () => void source.return?.()
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    for await (const result of source) yield dataOf(result as ExecutionResult)
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}
