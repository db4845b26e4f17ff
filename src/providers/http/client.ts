import type { Egress } from '../../security/egress.ts'
import { Connection, type HttpAnswer } from './connection.ts'
import type { KnownLines } from './head.ts'
import type { PlainGet } from './request.ts'

/** GETs over HTTP/1.1, on connections that are kept. */
export interface HttpClient {
  /**
   * Asks for what `request` says and the lines of `more` headers. Repeated on a fresh connection if a kept one turns out to be
   * closed (RFC 9112 §9.3.1). Rejects when there is no answer, or one that is not written plainly, and with the reason of
   * `signal`, which also ends the body. Redirects are answers like others.
   */
  get(request: PlainGet, more?: string, signal?: AbortSignal | undefined): Promise<HttpAnswer>
  /** Ends all connections. */
  close(): void
}

/**
 * A client for one thing alone: bodies of a known length, whose bytes pass through a buffer that each connection has (see
 * `LendingBody`). A connection that nobody has used for `idleMs` is closed: by default less than servers keep one open for, so
 * that a request seldom meets one that is being closed. Libraries bring in fresh memory for each chunk, which takes most of the
 * time of passing 64 KiB on.
 */
export function createHttpClient(egress: Egress, { idleMs = 4_000 }: { idleMs?: number } = {}): HttpClient {
  const all = new Set<Connection>()
  /** The connections that wait, of each origin; the one used last stands last. */
  const idle = new Map<string, Connection[]>()
  const lines: KnownLines = new Map()
  let sweeping: NodeJS.Timeout | undefined

  const isFresh = (connection: Connection) => connection.isOpen && performance.now() - connection.idleSince < idleMs
  /** One timer for all: to set one for each connection that waits costs more than to look for one. */
  const sweep = () => {
    for (const [origin, waiting] of idle) {
      while (waiting.length > 0 && !isFresh(waiting[0]!)) waiting.shift()!.destroy()
      if (waiting.length === 0) idle.delete(origin)
    }
    if (idle.size > 0) sweeping!.refresh()
    else sweeping = undefined
  }
  /** A connection that waits, the one used last; undefined if there is none. */
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
        const kept = takeIdle(origin)
        current = kept ?? open(origin)
        let answer: HttpAnswer
        try {
          answer = await current.get(text)
        } catch (error) {
          if (!kept || signal?.aborted) throw error
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
