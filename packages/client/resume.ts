import { ApiError, ConnectionError } from './errors.ts'

type Message = Record<string, unknown>

export interface ResumeOptions {
  /** Where to start; undefined = at the current state. */
  after: string | undefined
  signal: AbortSignal
  /** Milliseconds without a message after which a stream that sends heartbeats counts as lost. */
  silenceMs: number
  /** Called before each wait for a new connection. */
  onRetry?: ((error: Error, waitMs: number) => void) | undefined
}

/**
 * Yields the messages of a subscription across lost connections. A message with a `cursor` moves the position, and the next
 * connection continues after it, so none is lost or repeated. Streams without cursors start again with their current state.
 * Ends when the server completes a stream without cursors. The first connection is not retried, because its error often means a wrong address or token.
 * @param open opens the subscription after a position
 * @throws ApiError, ConnectionError of the first connection, the reason of `signal`
 */
export async function* resume(
  open: (after: string | undefined, signal: AbortSignal) => AsyncIterable<Message>,
  { after, signal, silenceMs, onRetry }: ResumeOptions,
): AsyncGenerator<Message, void> {
  let position = after
  let failures = 0
  let isConnected = false
  let hasCursors = false
  for (;;) {
    try {
      for await (const message of failOnSilence((ended) => open(position, ended), { signal, silenceMs })) {
        isConnected = true
        failures = 0
        const cursor = cursorOf(message)
        hasCursors ||= cursor !== undefined
        position = cursor ?? position
        yield message
      }
      // The log of events has no end: a server that stops completes its streams.
      if (!hasCursors) return
      throw new ConnectionError('The server ended the stream.')
    } catch (error) {
      signal.throwIfAborted()
      const waitMs = isConnected ? waitAfter(error, failures++) : undefined
      if (waitMs === undefined) throw error
      onRetry?.(error as Error, waitMs)
      await delay(waitMs, signal)
    }
  }
}

/** The cursor of a message: that of its root field, if it has one. */
function cursorOf(message: Message): string | undefined {
  const cursors = Object.values(message).map((value) => (value as { cursor?: unknown } | null)?.cursor)
  return cursors.find((cursor) => typeof cursor === 'string')
}

/** Milliseconds to wait before the next connection; undefined if it would fail, too. */
function waitAfter(error: unknown, failures: number): number | undefined {
  if (error instanceof ApiError && error.retryAfterSeconds !== undefined) return error.retryAfterSeconds * 1_000
  // INTERNAL: a fault of the server that may be temporary, such as a database that does not respond.
  const mayPass = error instanceof ConnectionError || (error instanceof ApiError && error.code === 'INTERNAL')
  if (!mayPass) return undefined
  // Random, so that clients of a restarted server do not all return at the same moment.
  return Math.min(10_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2)
}

/**
 * The messages of one connection. A stream with cursors also has heartbeats, so silence means that the connection is lost, even if
 * no error was reported.
 * @throws ConnectionError after the silence
 */
async function* failOnSilence(
  open: (signal: AbortSignal) => AsyncIterable<Message>,
  { signal, silenceMs }: Pick<ResumeOptions, 'signal' | 'silenceMs'>,
): AsyncGenerator<Message> {
  const silence = new AbortController()
  const message = `No message arrived for ${silenceMs / 1_000} s.`
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    for await (const data of open(AbortSignal.any([signal, silence.signal]))) {
      clearTimeout(timer)
      yield data
      if (cursorOf(data) !== undefined) {
        timer = setTimeout(() => silence.abort(new ConnectionError(message)), silenceMs)
      }
    }
  } finally {
    clearTimeout(timer)
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}
