import type { Egress } from '../../security/egress.ts'
import { Connection, type HttpAnswer } from './connection.ts'
import type { KnownLines } from './head.ts'
import type { PlainGet } from './request.ts'

/** Sends GET requests over HTTP/1.1, on persistent connections. */
export interface HttpClient {
  /**
   * Sends `request` with the header lines `more`. If a reused connection fails before the response, for example because the
   * server has closed it, the request is sent again on a new connection (RFC 9112 §9.3.1). Rejects if there is no response, if
   * `readHead` cannot read it, or with the reason of `signal`. `signal` also ends the body. Redirects are returned like other
   * responses.
   */
  get(request: PlainGet, more?: string, signal?: AbortSignal | undefined): Promise<HttpAnswer>
  /** Closes all connections. */
  close(): void
}

/**
 * A client for bodies of a known length. It reuses one buffer per connection (see `ReusedBufferBody`), while HTTP libraries allocate
 * memory for each chunk, which takes most of the time of forwarding 64 KiB. A connection that is idle for `idleMs` milliseconds
 * is closed. The default is shorter than the keep-alive timeouts of servers, so a request seldom meets a connection that the
 * server is closing.
 */
export function createHttpClient(egress: Egress, { idleMs = 4_000 }: { idleMs?: number } = {}): HttpClient {
  const all = new Set<Connection>()
  /** Idle connections by origin, the most recently used one last. */
  const idle = new Map<string, Connection[]>()
  const lines: KnownLines = new Map()
  let sweeping: NodeJS.Timeout | undefined

  const isFresh = (connection: Connection) => connection.isOpen && performance.now() - connection.idleSince < idleMs
  /** Closes connections that were idle too long. One timer serves all, because a timer per connection costs more. */
  const sweep = () => {
    for (const [origin, waiting] of idle) {
      while (waiting.length > 0 && !isFresh(waiting[0]!)) waiting.shift()!.destroy()
      if (waiting.length === 0) idle.delete(origin)
    }
    if (idle.size > 0) sweeping!.refresh()
    else sweeping = undefined
  }
  /** The most recently used idle connection, if there is one. */
  const takeIdle = (origin: string): Connection | undefined => {
    const waiting = idle.get(origin)
    for (let one = waiting?.pop(); one; one = waiting?.pop()) {
      if (isFresh(one)) return one
      one.destroy()
    }
    return undefined
  }
  const open = (origin: string): Connection => {
    const connection: Connection = new Connection(egress, new URL(origin), lines, {
      idle() {
        const waiting = idle.get(origin)
        if (waiting) waiting.push(connection)
        else idle.set(origin, [connection])
        sweeping ??= setTimeout(sweep, idleMs).unref()
      },
      closed: () => void all.delete(connection),
    })
    all.add(connection)
    return connection
  }

  return {
    async get({ origin, head }, more = '', signal) {
      signal?.throwIfAborted()
      const text = `${head}${more}\r\n`
      let current: Connection | undefined
      let body: HttpAnswer['body']
      const abort = () => (body ? body.destroy(signal!.reason) : current?.destroy())
      signal?.addEventListener('abort', abort, { once: true })
      const forget = () => signal?.removeEventListener('abort', abort)
      try {
        const reused = takeIdle(origin)
        current = reused ?? open(origin)
        let answer: HttpAnswer
        try {
          answer = await current.get(text)
        } catch (error) {
          if (!reused || signal?.aborted) throw error
          current = open(origin)
          answer = await current.get(text)
        }
        body = answer.body
        if (body) body.once('close', forget)
        else forget()
        if (signal?.aborted) abort()
        return answer
      } catch (error) {
        forget()
        throw signal?.aborted ? signal.reason : error
      }
    },
    close() {
      clearTimeout(sweeping)
      sweeping = undefined
      for (const connection of all) connection.destroy()
    },
  }
}
