import { Connection, type HttpAnswer } from './connection.ts'

/** GETs over HTTP/1.1, on connections that are kept. */
export interface HttpClient {
  /**
   * Asks `origin` for `path`, as it is written there. Headers go out as given; they must name the host. Repeated on a fresh
   * connection if a kept one turns out to be closed (RFC 9112 §9.3.1). Rejects when there is no answer, or one that is not
   * written plainly, and with the reason of `signal`, which also ends the body. Redirects are answers like others.
   */
  get(
    url: { origin: string; path: string },
    headers: Record<string, string>,
    signal?: AbortSignal | undefined,
  ): Promise<HttpAnswer>
  /** Ends all connections. */
  close(): void
}

/**
 * A client for one thing alone: bodies of a known length, whose bytes pass through a buffer that each connection has (see
 * `LendingBody`). Libraries bring in fresh memory for each chunk, which takes most of the time of passing 64 KiB on.
 */
export function createHttpClient(): HttpClient {
  const all = new Set<Connection>()
  const idle = new Map<string, Connection[]>()

  /** A connection that waits, the one used last; undefined if there is none. */
  const takeIdle = (origin: string): Connection | undefined => {
    const waiting = idle.get(origin)
    for (let one = waiting?.pop(); one; one = waiting?.pop()) if (one.isOpen) return one
    return undefined
  }
  const open = (origin: string): Connection => {
    const connection: Connection = new Connection(new URL(origin), {
      idle() {
        const waiting = idle.get(origin) ?? []
        idle.set(origin, waiting)
        waiting.push(connection)
      },
      closed: () => void all.delete(connection),
    })
    all.add(connection)
    return connection
  }

  return {
    async get({ origin, path }, headers, signal) {
      if (/[^\x21-\x7e]/.test(path) || Object.values(headers).some((value) => /[\r\n\0]/.test(value))) {
        throw new Error('This cannot be written in a request.')
      }
      signal?.throwIfAborted()
      let current: Connection | undefined
      let body: HttpAnswer['body']
      const abort = () => (body ? body.destroy(signal!.reason) : current?.destroy())
      signal?.addEventListener('abort', abort, { once: true })
      const forget = () => signal?.removeEventListener('abort', abort)
      try {
        const kept = takeIdle(origin)
        current = kept ?? open(origin)
        const answer = await current.get(path, headers).catch((error) => {
          if (!kept || signal?.aborted) throw error
          current = open(origin)
          return current.get(path, headers)
        })
        body = answer.body?.once('close', forget)
        if (!body) forget()
        if (signal?.aborted) abort()
        return answer
      } catch (error) {
        forget()
        throw signal?.aborted ? signal.reason : error
      }
    },
    close() {
      for (const connection of all) connection.destroy()
    },
  }
}
