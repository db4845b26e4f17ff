import { createClient as createWsClient } from 'graphql-ws'
import WebSocket from 'ws'

/** A GraphQL client as a frontend would have one. */
export interface GraphqlClient {
  /** Runs an operation; throws the GraphQL errors if there are any. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
  request(query: string, variables?: Record<string, unknown>): Promise<any>
  /** Subscribes over WebSocket. Leaving the loop ends the subscription. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they asked for
  subscribe(query: string, variables?: Record<string, unknown>): AsyncGenerator<any>
  close(): Promise<void>
}

/** A client of the server at `url` that sends `token`. */
export function createClient(url: string, token: string): GraphqlClient {
  const authorization = `Bearer ${token}`
  const socket = createWsClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    lazy: true,
    retryAttempts: 0,
  })
  return {
    async request(query, variables = {}) {
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ query, variables }),
      })
      const { data, errors } = (await answer.json()) as { data?: unknown; errors?: { message: string }[] }
      if (errors) throw Object.assign(new Error(errors.map((e) => e.message).join('; ')), { errors })
      return data
    },
    async *subscribe(query, variables = {}) {
      for await (const { data, errors } of socket.iterate({ query, variables })) {
        if (errors) throw Object.assign(new Error(errors.map((e) => e.message).join('; ')), { errors })
        yield data
      }
    },
    async close() {
      await socket.dispose()
    },
  }
}
