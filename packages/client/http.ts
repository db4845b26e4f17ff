import { type Connection, endpointOf, headersOf } from './connection.ts'
import type { ExecutionResult, Operation } from './document.ts'
import { ConnectionError, dataOf } from './errors.ts'

/**
 * Runs a query or mutation by POST (GraphQL over HTTP).
 * @throws ApiError, ConnectionError, the reason of `signal` once it aborts
 */
export async function post(
  connection: Connection,
  operation: Operation,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  const { fetch = globalThis.fetch, credentials = 'same-origin' } = connection
  const headers = { ...(await headersOf(connection)), 'content-type': 'application/json', accept: 'application/json' }
  const body = JSON.stringify(operation)
  try {
    const request = { method: 'POST', headers, body, credentials, ...(signal && { signal }) }
    const response = await fetch(endpointOf(connection), request).catch((cause) => {
      throw new ConnectionError('The server cannot be reached.', { cause })
    })
    return dataOf(await resultOf(response))
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/**
 * Reads the GraphQL result of a response with any HTTP status, because results with errors have 4xx and 5xx. If the server refuses an
 * event stream, the result is the data of an event.
 * @throws ConnectionError if the response has no GraphQL result.
 */
export async function resultOf(response: { status: number; text(): Promise<string> }): Promise<ExecutionResult> {
  try {
    const text = await response.text()
    return JSON.parse(/^data: (.+)$/m.exec(text)?.[1] ?? text)
  } catch (cause) {
    throw new ConnectionError(`The server answered with HTTP ${response.status} and no GraphQL result.`, { cause })
  }
}
