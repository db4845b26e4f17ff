import type { Server } from 'node:http'
import { useServer } from 'graphql-ws/use/ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { type createGraphql, type Entered, type GraphqlDoor, maskError } from './graphql.ts'
import { isForThisMachine, misdirected } from './local-host.ts'

/**
 * GraphQL over WebSocket (graphql-transport-ws). The token comes in the payload of ConnectionInit:
 * `{ "authorization": "Bearer …" }`. Returns what closes all sockets.
 */
export function attachWebSocket(
  server: Server,
  {
    yoga,
    enter,
    logger,
    isLocal,
  }: { yoga: ReturnType<typeof createGraphql>; isLocal: boolean } & Pick<GraphqlDoor, 'enter' | 'logger'>,
): () => Promise<void> {
  const sockets = new WebSocketServer({
    server,
    path: '/graphql',
    maxPayload: 1_000_000,
    ...(isLocal && {
      verifyClient: ({ req }, done) =>
        isForThisMachine(req) ? done(true) : done(false, 421, JSON.stringify(misdirected), json),
    }),
  })
  const authorizationOf = (params: unknown) => {
    const { authorization, Authorization } = (params ?? {}) as Record<string, unknown>
    const value = authorization ?? Authorization
    return typeof value === 'string' ? value : null
  }
  const closer = useServer(
    {
      connectionInitWaitTimeout: 10_000,
      onConnect: async ({ connectionParams }) => {
        try {
          await enter(authorizationOf(connectionParams))
          return true
        } catch {
          return false
        }
      },
      execute: (args) => (args.rootValue as Enveloped).execute(args),
      subscribe: (args) => (args.rootValue as Enveloped).subscribe(args),
      onSubscribe: async ({ connectionParams, extra: { socket } }, id, params) => {
        try {
          // A fresh context for every operation: a revoked token opens nothing more on an old socket.
          const entered = await enter(authorizationOf(connectionParams))
          const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
            entered,
            params,
          } satisfies Entered & { params: unknown })
          const args = {
            schema,
            operationName: params.operationName,
            document: parse(params.query),
            variableValues: params.variables,
            contextValue: { ...(await contextFactory()), push: pushing(socket, id) },
            rootValue: { execute, subscribe },
          }
          const errors = validate(args.schema, args.document)
          return errors.length > 0 ? errors : args
        } catch (error) {
          // Thrown further, a fault of one operation would close the socket under all others.
          return [maskError(error, logger)]
        }
      },
      onOperation: ({ extra: { socket } }, id, _payload, _args, result) =>
        Symbol.asyncIterator in result ? sending(socket, id, result as AsyncIterableIterator<Result>) : undefined,
    },
    sockets,
    12_000,
  )
  return async () => {
    await closer.dispose()
  }
}

const json = { 'Content-Type': 'application/json' }

/** Bytes that a socket may hold for a client that reads slowly; meanwhile its events wait in the bounded feed. */
const maxBufferedBytes = 65_536

const isFree = (socket: WebSocket) => socket.bufferedAmount < maxBufferedBytes

/** Makes messages of results, given as JSON. */
function writing(id: string): (result: string) => string {
  const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
  return (result) => `${head}${result}}`
}

/** Sends a result that did not come by the stream, unless the client reads slowly. */
function pushing(socket: WebSocket, id: string): (result: string) => boolean {
  const write = writing(id)
  return (result) => {
    if (!isFree(socket)) return false
    socket.send(write(result))
    return true
  }
}

interface Result {
  stringify?: () => string
}

/** A stream that yields nothing, but sends the results itself: graphql-ws would write the JSON of each for every socket. */
function sending(socket: WebSocket, id: string, results: AsyncIterableIterator<Result>): AsyncIterableIterator<never> {
  const write = writing(id)
  const stream: AsyncIterableIterator<never> = {
    async next() {
      for await (const result of results) {
        const message = write(result.stringify?.() ?? JSON.stringify(result))
        if (isFree(socket)) socket.send(message)
        else await new Promise((resolve) => socket.send(message, resolve))
      }
      return { done: true, value: undefined }
    },
    async return() {
      await results.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => stream,
  }
  return stream
}

type Enveloped = Pick<ReturnType<ReturnType<typeof createGraphql>['getEnveloped']>, 'execute' | 'subscribe'>
