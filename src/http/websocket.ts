import type { Server } from 'node:http'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { type createGraphql, type Entered, type GraphqlDoor, maskError } from './graphql.ts'

/**
 * GraphQL over WebSocket (graphql-transport-ws). The token comes in the payload of ConnectionInit:
 * `{ "authorization": "Bearer …" }`. Returns what closes all sockets.
 */
export function attachWebSocket(
  server: Server,
  { yoga, enter, logger }: { yoga: ReturnType<typeof createGraphql> } & Pick<GraphqlDoor, 'enter' | 'logger'>,
): () => Promise<void> {
  const sockets = new WebSocketServer({ server, path: '/graphql', maxPayload: 1_000_000 })
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
      onSubscribe: async ({ connectionParams }, _id, params) => {
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
            contextValue: await contextFactory(),
            rootValue: { execute, subscribe },
          }
          const errors = validate(args.schema, args.document)
          return errors.length > 0 ? errors : args
        } catch (error) {
          // Thrown further, a fault of one operation would close the socket under all others.
          return [maskError(error, logger)]
        }
      },
    },
    sockets,
    12_000,
  )
  return async () => {
    await closer.dispose()
  }
}

type Enveloped = Pick<ReturnType<ReturnType<typeof createGraphql>['getEnveloped']>, 'execute' | 'subscribe'>
