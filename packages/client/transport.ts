import type { Operation } from './document.ts'

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

/** Yields what an iterator of `graphql-ws` or `graphql-sse` yields until `signal` aborts. Closes the iterator in any case. */
export async function* untilAborted<T>(source: AsyncIterableIterator<T>, signal: AbortSignal): AsyncGenerator<T> {
  // Both libraries end a pending `next()` when `return()` is called.
  const stop = () => void source.return?.()
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    yield* source
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}
