import { createClient, NetworkError } from 'graphql-sse'
import { type Connection, endpointOf, headersOf } from './connection.ts'
import { ApiError, ConnectionError, dataOf } from './errors.ts'
import { resultOf } from './http.ts'
import { dataUntilAborted, type Transport } from './transport.ts'

/** Subscriptions over server-sent events, one request each ("distinct connections mode" of GraphQL over SSE). */
export function overSse(connection: Connection): Transport {
  const { fetch = globalThis.fetch, credentials = 'same-origin' } = connection
  const client = createClient({
    url: endpointOf(connection),
    headers: () => headersOf(connection),
    credentials,
    // graphql-sse aborts a refused request before its body can be read.
    fetchFn: async (...request: Parameters<typeof fetch>) => {
      const response = await fetch(...request)
      return response.ok ? response : new Response(await response.text(), response)
    },
    // `resume` reconnects: only it knows where to continue.
    retryAttempts: 0,
  })
  return {
    async *open(operation, signal) {
      try {
        yield* dataUntilAborted(client.iterate({ ...operation }), signal)
      } catch (error) {
        signal.throwIfAborted()
        throw await toClientError(error)
      }
    },
    close: async () => client.dispose(),
  }
}

async function toClientError(error: unknown): Promise<unknown> {
  if (error instanceof ApiError || error instanceof ConnectionError) return error
  const response = error instanceof NetworkError ? (error as NetworkError<Response>).response : undefined
  if (!response) return new ConnectionError('The connection to the server is lost.', { cause: error })
  try {
    dataOf(await resultOf(response))
    return new ConnectionError(`The server answered with HTTP ${response.status}.`)
  } catch (reason) {
    return reason
  }
}
