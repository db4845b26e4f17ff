import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { createAuthorize } from '../access/authorize.ts'
import { createMediaTokens, type MediaTokens } from '../access/media-tokens.ts'
import { createAuthenticator } from '../access/tokens.ts'
import type { Config } from '../config.ts'
import type { Connect } from '../connect.ts'
import { SluiceError } from '../errors.ts'
import type { createAccessCache } from '../events/access-cache.ts'
import type { EventHub } from '../events/hub.ts'
import { createContext } from '../graphql/context.ts'
import { globalIdOf } from '../graphql/ids.ts'
import { schema } from '../graphql/schema.ts'
import { createSnapshots } from '../graphql/snapshots.ts'
import { subscribe } from '../graphql/subscribe.ts'
import { createGraphql, maskError } from '../http/graphql.ts'
import type { GuessLimit } from '../http/guess-limit.ts'
import type { RoleOfHost } from '../http/hosts.ts'
import type { Metrics } from '../http/metrics.ts'
import { createRequestRate } from '../http/request-rate.ts'
import type { HttpDeps } from '../http/server.ts'
import { createSocketLimits } from '../http/socket-limits.ts'
import { attachWebSocket } from '../http/websocket.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { createQuota } from '../quota.ts'
import { createDeliveryDeps, type DeliveryDeps } from '../resolve/deliver.ts'
import { createScopeFinder } from '../resolve/find-scope.ts'
import type { Streams } from '../resolve/streams.ts'
import { sweepRuns } from '../runs/sweep.ts'
import type { Egress } from '../security/egress.ts'
import type { Sealer } from '../security/seal.ts'
import type { AnnounceParts } from '../webhooks/announce.ts'
import type { SaveParts } from '../webhooks/save.ts'

const longestSweepMs = 2_000

/** Dependencies of the HTTP server. */
export interface ApiDeps {
  em: EntityManager
  logger: Logger
  queue: Queue
  events: EventHub
  access: ReturnType<typeof createAccessCache>
  sealer: Sealer
  egress: Egress
  connect: Connect
  webhooks: SaveParts & AnnounceParts
}

/** What the API shares with the rest of the HTTP server. */
interface Shared {
  isLocal: boolean
  graphiql: boolean
  introspection: boolean
  guessLimit: GuessLimit
  roleOf: RoleOfHost
  streams: Streams
  metrics: Metrics | undefined
  /** URL of this server. Known once the server listens. */
  url: () => string
}

/** The API for clients: GraphQL over HTTP and WebSocket, and links. */
interface ClientApi {
  handlers: NonNullable<HttpDeps['api']>
  /** Attaches the WebSocket server. The returned function closes its sockets. */
  attachTo(server: Server): () => Promise<void>
  stop(): Promise<void>
}

/** Creates the API. Only an api process loads this module, because GraphQL and its schema need 16 MiB. */
export function createClientApi(config: Config, deps: ApiDeps, shared: Shared): ClientApi {
  const { em, access, connect, logger } = deps
  const { isLocal, graphiql, introspection, guessLimit, roleOf, streams, metrics } = shared
  const { cached, invalidate } = access
  const authenticator = createAuthenticator(em, { adminToken: config.ADMIN_TOKEN, cached })
  const mediaTokens = createMediaTokens({ em, sealer: deps.sealer, getViewer: authenticator.getViewer })
  const delivery = createDeliveryDeps(connect)
  const authenticate = createAuthenticate(config, deps, { authenticator, mediaTokens, delivery, url: shared.url })
  const requestRate = createRequestRate(config.REQUESTS_PER_SECOND)
  const yoga = createGraphql({
    schema,
    subscribe,
    authenticate,
    guessLimit,
    introspection,
    onMutated: invalidate,
    limits: {
      maxCost: config.OPERATION_MAX_COST,
      operationSeconds: config.OPERATION_TIMEOUT,
      statementSeconds: config.STATEMENT_TIMEOUT,
      perToken: config.OPERATIONS_PER_TOKEN,
    },
    logger,
  })
  const resolve = {
    authenticator,
    mediaTokens,
    guessLimit,
    findScope: createScopeFinder(em, cached),
    delivery,
    streams,
    metrics: metrics?.resolve,
    corsOrigins: config.CORS_ORIGINS,
    maxRangeBytes: config.RESOLVER_PROXY_MAX_RANGE_SIZE,
    rangeLimitFor: config.RESOLVER_PROXY_RANGE_LIMIT_FOR,
    bufferBytes: config.RESOLVER_PROXY_BUFFER_SIZE,
    timeoutSeconds: config.RESOLVER_PROXY_TIMEOUT,
    cacheSeconds: config.RESOLVER_PROXY_CACHE_TIMEOUT,
    logger,
  }
  const mask = (error: unknown) => maskError(error, { logger, introspection })
  return {
    handlers: { yoga, graphiql, requestRate, resolve },
    attachTo(server) {
      const limits = createSocketLimits({
        max: config.SOCKETS_MAX,
        maxPerToken: config.SOCKETS_PER_TOKEN,
        messagesPerSecond: config.SOCKET_MESSAGES_PER_SECOND,
      })
      return attachWebSocket(server, { yoga, authenticate, guessLimit, requestRate, limits, roleOf, isLocal, mask })
    },
    stop: async () => {
      await yoga.dispose()
    },
  }
}

interface AuthenticateParts {
  authenticator: ReturnType<typeof createAuthenticator>
  mediaTokens: MediaTokens
  delivery: DeliveryDeps
  url: () => string
}

/** Returns the function that makes the context of an operation for the viewer of a token. */
function createAuthenticate(
  config: Config,
  { em, queue, events, sealer, egress, connect, webhooks, logger }: ApiDeps,
  { authenticator, mediaTokens, delivery, url }: AuthenticateParts,
) {
  const storages = { em, sealer, connect, egress, globalId: globalIdOf }
  const sweep = (project: number) =>
    Promise.race([
      sweepRuns({ em, queue }, config.STORAGE_IN_PROGRESS_TIMER, project).catch((err) =>
        logger.warn({ err, project }, 'the sweep of lost syncs failed'),
      ),
      // Queries that list storages must not wait long if the job queue does not respond.
      sleep(longestSweepMs, undefined, { ref: false }),
    ])
  const subscriptions = createQuota({
    max: config.SUBSCRIPTIONS_MAX,
    perName: {
      socket: config.SUBSCRIPTIONS_PER_SOCKET,
      viewer: config.SUBSCRIPTIONS_PER_TOKEN,
      project: config.SUBSCRIPTIONS_PER_PROJECT,
    },
    refuse: () => new SluiceError('TOO_MANY_SUBSCRIPTIONS'),
  })
  const parts = {
    ...{ em, queue, events, connect, storages, webhooks, mediaTokens, sweep, subscriptions },
    authorize: createAuthorize(em, authenticator.getViewer),
    snapshots: createSnapshots(em),
    resolve: delivery,
    heartbeatSeconds: config.SUBSCRIPTION_HEARTBEAT,
    scheduleMinSeconds: config.SCHEDULE_MIN_INTERVAL,
  }
  return async (authorization: string | null) =>
    createContext({ ...parts, linksUrl: config.LINKS_URL ?? url() }, await authenticator.authenticate(authorization))
}
