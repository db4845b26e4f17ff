import type { Connection } from './connection.ts'
import type { TypedDocument } from './document.ts'
import { post } from './http.ts'
import { resume } from './resume.ts'
import { overSse } from './sse.ts'
import { overWebSocket } from './websocket.ts'

export interface ClientOptions extends Connection {
  /** How subscriptions travel. WebSocket (default) shares one connection; SSE passes proxies that know only HTTP. */
  transport?: 'WebSocket' | 'SSE'
}

export interface SubscribeOptions {
  /** Ends the subscription, which then throws its reason. */
  signal?: AbortSignal
  /**
   * Seconds without a message after which a stream with heartbeats reconnects. Default: 45, three heartbeats of the server
   * (SUBSCRIPTION_HEARTBEAT).
   */
  silenceSeconds?: number
  /** Called when a connection is lost, before the client waits `waitMs` and connects again. */
  onRetry?: (error: Error, waitMs: number) => void
}

/** A client of one server. */
export interface Client {
  /**
   * Runs a query or mutation.
   * @throws ApiError, ConnectionError, the reason of `signal`
   */
  request<Result, Variables>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
    options?: { signal?: AbortSignal },
  ): Promise<Result>
  /**
   * Subscribes, and subscribes again when the connection is lost. A document that selects `cursor` and passes `$after` to its
   * field continues after the last message: none is lost or repeated. Leaving the loop ends the subscription.
   * @throws ApiError, ConnectionError if the first connection fails, the reason of `signal`
   */
  subscribe<Result, Variables>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
    options?: SubscribeOptions,
  ): AsyncGenerator<Result, void>
  /** Closes all connections. */
  close(): Promise<void>
}

/** Creates a client. It connects when it is used. */
export function createClient(options: ClientOptions): Client {
  const transport = options.transport === 'SSE' ? overSse(options) : overWebSocket(options)
  const closed = new AbortController()
  return {
    async request<Result, Variables>(
      document: TypedDocument<Result, Variables>,
      variables: Variables,
      { signal }: { signal?: AbortSignal } = {},
    ) {
      const operation = { query: document.toString(), variables: variables as Record<string, unknown> }
      return (await post(options, operation, signal)) as Result
    },
    subscribe<Result, Variables>(
      document: TypedDocument<Result, Variables>,
      variables: Variables,
      { signal, silenceSeconds = 45, onRetry }: SubscribeOptions = {},
    ) {
      const query = document.toString()
      const { after } = variables as { after?: string | null }
      const open = (position: string | undefined, ended: AbortSignal) =>
        transport.open(
          { query, variables: { ...variables, ...(position !== undefined && { after: position }) } },
          ended,
        )
      const messages = resume(open, {
        after: after ?? undefined,
        signal: AbortSignal.any(signal ? [signal, closed.signal] : [closed.signal]),
        silenceMs: silenceSeconds * 1_000,
        onRetry,
      })
      return messages as AsyncGenerator<Result, void>
    },
    async close() {
      closed.abort(new Error('The client was closed.'))
      await transport.close()
    },
  }
}
