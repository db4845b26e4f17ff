import { createClient } from 'graphql-ws'
import { authorizationOf, type Connection, endpointOf } from './connection.ts'
import type { GraphqlError } from './document.ts'
import { ApiError, ConnectionError, toApiError } from './errors.ts'
import { dataUntilAborted, type Transport } from './transport.ts'

/** Subscriptions over one shared WebSocket (graphql-transport-ws), which is open while there are any. */
export function overWebSocket(connection: Connection): Transport {
  const client = createClient({
    url: endpointOf(connection).replace(/^http/, 'ws'),
    webSocketImpl: connection.webSocketImpl,
    connectionParams: async () => {
      const authorization = await authorizationOf(connection)
      return authorization === undefined ? undefined : { authorization }
    },
    // `resume` reconnects: only it knows where to continue.
    retryAttempts: 0,
  })
  return {
    async *open(operation, signal) {
      try {
        yield* dataUntilAborted(client.iterate({ ...operation }), signal)
      } catch (error) {
        // The socket is silent: its peer would not answer a closing handshake either.
        if (signal.reason instanceof ConnectionError) client.terminate()
        signal.throwIfAborted()
        throw toClientError(error)
      }
    },
    close: async () => client.dispose(),
  }
}

/** What `iterate` throws: errors of the operation, a CloseEvent of the socket, or an event or error of the connection. */
function toClientError(error: unknown): unknown {
  if (error instanceof ApiError || error instanceof ConnectionError) return error
  if (Array.isArray(error)) return toApiError(error as GraphqlError[])
  const { code, reason } = (error ?? {}) as { code?: unknown; reason?: unknown }
  const details = typeof reason === 'string' && reason !== '' ? `: ${reason}` : ''
  // 4401 and 4403 are the protocol's Unauthorized and Forbidden.
  if (code === 4401 || code === 4403) {
    return new ApiError({ code: 'UNAUTHENTICATED', message: `The server refuses the token${details}.` })
  }
  const closed =
    typeof code === 'number' ? `The WebSocket closed with ${code}${details}.` : 'The server cannot be reached.'
  return new ConnectionError(closed, { cause: error })
}
