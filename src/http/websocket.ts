import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import { GraphQLError } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { TooManyWrongTokensError } from '../errors.ts'
import { fieldsOf } from '../unknown.ts'
import type { createGraphql, GraphqlDeps, ServerContext } from './graphql.ts'
import type { RoleOfHost } from './hosts.ts'
import { isForThisMachine, wrongHost } from './local-host.ts'
import { type RequestRate, tooManyRequestsMessage } from './request-rate.ts'
import type { SocketLimits } from './socket-limits.ts'

/**
 * GraphQL over WebSocket (graphql-transport-ws). Clients send the token in the payload of ConnectionInit:
 * `{ "authorization": "Bearer …" }`. A wrong token closes the socket with 4403. The server closes it with 4429 after too many
 * wrong tokens from one address, above the limit of sockets, and if messages arrive too fast. An operation above the rate limit
 * is answered with an error, and the socket stays open. Returns a function that closes all sockets.
 */
export function attachWebSocket(
  server: Server,
  { yoga, authenticate, guessLimit, requestRate, limits, roleOf, isLocal, mask }: SocketDeps,
): () => Promise<void> {
  const sockets = new WebSocketServer({
    server,
    path: '/graphql',
    maxPayload: 1_000_000,
    verifyClient: ({ req }, done) => {
      if (isLocal && !isForThisMachine(req)) done(false, 421, JSON.stringify(wrongHost), json)
      else if (roleOf(req) !== 'ALL') done(false, 404)
      else if (limits.canAccept()) done(true)
      else done(false, 429, 'Too Many Requests', { 'Retry-After': '5' })
    },
  })
  const socketIds = new WeakMap<WebSocket, string>()
  sockets.on('connection', (socket, request) => {
    socketIds.set(socket, randomUUID())
    limits.track(socket, request)
  })
  const authorizationOf = (params: unknown) => {
    const { authorization, Authorization } = fieldsOf<'authorization' | 'Authorization'>(params)
    const value = authorization ?? Authorization
    return typeof value === 'string' ? value : null
  }
  const closer = useServer(
    {
      connectionInitWaitTimeout: 10_000,
      onConnect: async ({ connectionParams, extra: { socket, request } }) => {
        try {
          const { viewer } = await guessLimit.run(request, () => authenticate(authorizationOf(connectionParams)))
          return limits.assign(socket, viewer.id)
        } catch (error) {
          if (error instanceof TooManyWrongTokensError) {
            socket.close(4429, `Too many wrong tokens. Wait ${error.retryAfterSeconds} s.`)
          }
          return false
        }
      },
      execute: (args) => envelopedOf(args).execute(args),
      subscribe: (args) => envelopedOf(args).subscribe(args),
      onSubscribe: async ({ connectionParams, extra: { socket, request } }, id, params) => {
        try {
          const authorization = authorizationOf(connectionParams)
          const retryAfterSeconds = requestRate.take(authorization, undefined)
          if (retryAfterSeconds > 0) {
            const extensions = { code: 'TOO_MANY_REQUESTS', retryAfterSeconds }
            return [new GraphQLError(tooManyRequestsMessage(retryAfterSeconds), { extensions })]
          }
          // Every operation is authenticated again, so that a revoked token cannot be used on an open socket.
          const operationContext = await guessLimit.run(request, () => authenticate(authorization))
          const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
            operationContext,
            params,
          } satisfies ServerContext & { params: unknown })
          const args = {
            schema,
            operationName: params.operationName,
            document: parse(params.query),
            variableValues: params.variables,
            contextValue: {
              ...(await contextFactory()),
              sendDirect: directSender(socket, id),
              socket: socketIds.get(socket),
            },
            rootValue: { execute, subscribe },
          }
          const errors = validate(args.schema, args.document)
          return errors.length > 0 ? errors : args
        } catch (error) {
          // If the error of one operation were thrown, graphql-ws would close the socket and end all other operations.
          return [mask(error)]
        }
      },
      onOperation: ({ extra: { socket } }, id, _payload, _args, result) =>
        Symbol.asyncIterator in result ? sendingStream(socket, id, result as AsyncIterableIterator<Result>) : undefined,
    },
    sockets,
    12_000,
  )
  return async () => {
    await closer.dispose()
  }
}

const json = { 'Content-Type': 'application/json' }

interface SocketDeps extends Pick<GraphqlDeps, 'guessLimit'> {
  /** Creates the context of an operation. Throws UNAUTHENTICATED. */
  authenticate: (authorization: string | null) => Promise<{ viewer: { id: string } }>
  requestRate: RequestRate
  limits: SocketLimits
  yoga: ReturnType<typeof createGraphql>
  roleOf: RoleOfHost
  /** Answer only requests that name this machine as their host (local mode). */
  isLocal: boolean
  /** Converts any error to one that a client may see. */
  mask: (error: unknown) => GraphQLError
}

/** Maximum bytes that a socket buffers for a slow client. Further events wait in the bounded queue of the subscriber. */
const maxBufferedBytes = 65_536

const hasRoomToBuffer = (socket: WebSocket) => socket.bufferedAmount < maxBufferedBytes

/** Returns a function that wraps a result (JSON) in a message of the protocol. */
function messageWriter(id: string): (result: string) => string {
  const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
  return (result) => `${head}${result}}`
}

/** Returns a function that sends a result directly, past the stream. Slow client: it sends nothing, returns false. */
function directSender(socket: WebSocket, id: string): (result: string) => boolean {
  const write = messageWriter(id)
  return (result) => {
    if (!hasRoomToBuffer(socket)) return false
    socket.send(write(result))
    return true
  }
}

interface Result {
  stringify?: () => string
}

/** A stream that sends results itself and yields nothing, because graphql-ws would serialize each result for every socket. */
function sendingStream(
  socket: WebSocket,
  id: string,
  results: AsyncIterableIterator<Result>,
): AsyncIterableIterator<never> {
  const write = messageWriter(id)
  const stream: AsyncIterableIterator<never> = {
    async next() {
      for await (const result of results) {
        const message = write(result.stringify?.() ?? JSON.stringify(result))
        if (hasRoomToBuffer(socket)) socket.send(message)
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

/** The functions that `onSubscribe` has put into the arguments of the operation. */
const envelopedOf = (args: { rootValue?: unknown }) => args.rootValue as Enveloped

type Enveloped = Pick<ReturnType<ReturnType<typeof createGraphql>['getEnveloped']>, 'execute' | 'subscribe'>
