import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityManager } from '@mikro-orm/postgresql'
import { createAuthorize } from '../access/authorize.ts'
import { createMediaTokens } from '../access/media-tokens.ts'
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
import { createGuessLimit } from '../http/guess-limit.ts'
import { createRoleOfHost } from '../http/hosts.ts'
import { createMetrics } from '../http/metrics.ts'
import { createRequestRate } from '../http/request-rate.ts'
import { createHttpServer } from '../http/server.ts'
import { createSocketLimits } from '../http/socket-limits.ts'
import { attachWebSocket } from '../http/websocket.ts'
import type { Logger } from '../logger.ts'
import type { Queue } from '../queue/agenda.ts'
import { createQuota } from '../quota.ts'
import { createDeliveryDeps } from '../resolve/deliver.ts'
import { createScopeFinder } from '../resolve/find-scope.ts'
import { createStreams } from '../resolve/streams.ts'
import { countActiveRuns } from '../runs/count-active.ts'
import { sweepRuns } from '../runs/sweep.ts'
import type { Egress } from '../security/egress.ts'
import type { Sealer } from '../security/seal.ts'
import type { AnnounceParts } from '../webhooks/announce.ts'
import type { SaveParts } from '../webhooks/save.ts'

const longestSweepMs = 2_000

/** Dependencies of the HTTP server. */
interface ApiDeps {
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

/** The running HTTP server. */
interface Api {
  url: string
  port: number
  /** Ends requests and sockets. */
  stop(): Promise<void>
}

/**
 * Starts the HTTP server: GraphQL and links in an api process, health and metrics in every process. Rejects with the error of
 * `listen`, such as EADDRINUSE.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of the parts of a server, in the order of their start
export async function startApi(
  config: Config,
  { em, logger, queue, events, access, sealer, egress, connect, webhooks }: ApiDeps,
  { isLocal, graphiql, introspection }: { isLocal: boolean; graphiql: boolean; introspection: boolean },
): Promise<Api> {
  const isApi = config.SLUICE_ROLES.includes('api')
  const { cached, invalidate } = access
  let url = config.PUBLIC_URL ?? ''
  const authenticator = createAuthenticator(em, { adminToken: config.ADMIN_TOKEN, cached })
  const mediaTokens = createMediaTokens({ em, sealer, getViewer: authenticator.getViewer })
  const authorize = createAuthorize(em, authenticator.getViewer)
  const snapshots = createSnapshots(em)
  const delivery = createDeliveryDeps(connect)
  const scheduleMinSeconds = config.SCHEDULE_MIN_INTERVAL
  const sweep = (project: number) =>
    Promise.race([
      sweepRuns({ em, queue }, config.STORAGE_IN_PROGRESS_TIMER, project).catch((err) =>
        logger.warn({ err, project }, 'the sweep of lost syncs failed'),
      ),
      // Queries that list storages must not wait long if the job queue does not respond.
      sleep(longestSweepMs, undefined, { ref: false }),
    ])
  const authenticate = async (authorization: string | null) => {
    const viewer = await authenticator.authenticate(authorization)
    const storages = { em, sealer, connect, egress, globalId: globalIdOf }
    const contextDeps = {
      ...{
        em,
        queue,
        events,
        connect,
        storages,
        webhooks,
        mediaTokens,
        authorize,
        snapshots,
        resolve: delivery,
        sweep,
        subscriptions,
      },
      heartbeatSeconds: config.SUBSCRIPTION_HEARTBEAT,
      scheduleMinSeconds,
      linksUrl: config.LINKS_URL ?? url,
    }
    return createContext(contextDeps, viewer)
  }
  const guessLimit = createGuessLimit(config.WRONG_TOKENS_PER_MINUTE)
  const roleOf = createRoleOfHost(config.LINKS_URL, config.PUBLIC_URL)
  const subscriptions = createQuota({
    max: config.SUBSCRIPTIONS_MAX,
    perName: {
      socket: config.SUBSCRIPTIONS_PER_SOCKET,
      viewer: config.SUBSCRIPTIONS_PER_TOKEN,
      project: config.SUBSCRIPTIONS_PER_PROJECT,
    },
    refuse: () => new SluiceError('TOO_MANY_SUBSCRIPTIONS'),
  })
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
  const streams = createStreams({
    max: config.RESOLVER_PROXY_MAX_STREAMS,
    maxPerViewer: config.RESOLVER_PROXY_MAX_STREAMS_PER_VIEWER,
    maxPerProject: config.RESOLVER_PROXY_MAX_STREAMS_PER_PROJECT,
  })
  const metrics = config.METRICS_TOKEN
    ? createMetrics({
        token: config.METRICS_TOKEN,
        guessLimit,
        streams: () => streams.count,
        subscriptions: () => events.size,
        runs: () => countActiveRuns(em),
      })
    : undefined
  const resolveDeps = {
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
  const server = createHttpServer({
    api: isApi ? { yoga, graphiql, requestRate, resolve: resolveDeps } : undefined,
    roleOf,
    metrics,
    bufferBytes: config.RESOLVER_PROXY_BUFFER_SIZE,
    isLocal,
    ready: async () => {
      await em.getConnection().execute('select 1')
      await queue.ping()
    },
  })
  await new Promise<void>((resolve, reject) => {
    const { PORT: port, HOST: host, REUSE_PORT: reusePort } = config
    server.once('error', reject).listen({ port, host, reusePort }, resolve)
  })
  // Attached only after `listen`, because the WebSocket server would report a port in use in another way.
  const mask = (error: unknown) => maskError(error, { logger, introspection })
  const limits = createSocketLimits({
    max: config.SOCKETS_MAX,
    maxPerToken: config.SOCKETS_PER_TOKEN,
    messagesPerSecond: config.SOCKET_MESSAGES_PER_SECOND,
  })
  const closeSockets = isApi
    ? attachWebSocket(server, { yoga, authenticate, guessLimit, requestRate, limits, roleOf, isLocal, mask })
    : async () => {}
  const { port } = server.address() as AddressInfo
  url ||= `http://localhost:${port}`
  return {
    url,
    port,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      await closeSockets()
      server.closeAllConnections()
      await closed
      await yoga.dispose()
    },
  }
}
