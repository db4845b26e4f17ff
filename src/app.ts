import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MikroORM } from '@mikro-orm/postgresql'
import { createAdmit } from './auth/admit.ts'
import { createMediaTokens } from './auth/media-tokens.ts'
import { createAuthenticator, createFirstToken } from './auth/tokens.ts'
import { type Config, ConfigError } from './config.ts'
import { createConnections } from './connect.ts'
import { closeDataFolder } from './database/cluster.ts'
import { type EmbeddedPostgres, startEmbedded } from './database/embedded.ts'
import { probeSecretKey } from './database/key-probe.ts'
import { connectionOf, openDatabase } from './database/open.ts'
import { reachDatabase } from './database/reach.ts'
import { SluiceError } from './errors.ts'
import { createAccessChanges } from './events/access-changes.ts'
import { giveBackMemory } from './events/give-back.ts'
import { createEventHub, type EventHub } from './events/hub.ts'
import { createListener } from './events/listen.ts'
import { createContext } from './graphql/context.ts'
import { globalIdOf } from './graphql/ids.ts'
import { createPresent } from './graphql/present.ts'
import { schema } from './graphql/schema.ts'
import { subscribe } from './graphql/subscribe.ts'
import { createFloods } from './http/floods.ts'
import { createGraphql, maskError } from './http/graphql.ts'
import { createGuessLimit } from './http/guesses.ts'
import { createRoleOfHost } from './http/hosts.ts'
import { createMetrics } from './http/metrics.ts'
import { createHttpServer } from './http/server.ts'
import { createSocketLimits } from './http/socket-limits.ts'
import { attachWebSocket } from './http/websocket.ts'
import { createLogger } from './logger.ts'
import { orAbort } from './or-abort.ts'
import { createAmbientCredentials } from './providers/ambient.ts'
import type { Queue } from './queue/agenda.ts'
import { openQueue } from './queue/open.ts'
import { createQuota } from './quota.ts'
import { createResolveParts } from './resolve/deliver.ts'
import { createLocator } from './resolve/locate.ts'
import { createStreams } from './resolve/streams.ts'
import { createEgress } from './security/egress.ts'
import { isLocalMode } from './security/local-mode.ts'
import { localRootFault } from './security/local-root.ts'
import { modeSettings } from './security/mode-defaults.ts'
import { createSealer } from './security/seal.ts'
import { loadSecretKey } from './security/secret-key.ts'
import { countActiveRuns } from './sync/count-active.ts'
import { templateFault } from './sync/export-name.ts'
import { createObjectFilter } from './sync/object-filter.ts'
import { sweepRuns } from './sync/sweep.ts'
import { startWorker } from './worker.ts'

const longestSweepMs = 2_000

/** A running Sluice. */
export interface App {
  /** Where clients reach it, as told by PUBLIC_URL or from the port. */
  url: string
  port: number
  /** Whether the GraphiQL page is served. */
  graphiql: boolean
  /** The admin token, on the first start of an api process on a database only. */
  firstToken: string | undefined
  databaseUrl: string
  /** Folder of the embedded PostgreSQL's cluster; undefined with DATABASE_URL. */
  clusterFolder: string | undefined
  orm: MikroORM
  events: EventHub
  queue: Queue
  /** Ends requests, hands running syncs back, closes all connections and stops the embedded PostgreSQL. */
  stop(): Promise<void>
}

/**
 * Makes every part once, in order, and starts it: database, queue, events, doors. What was started is stopped again when a
 * later part fails, or `signal` aborts meanwhile.
 */
export async function startApp(
  config: Config,
  {
    throwAway = false,
    secretFiles = [],
    signal,
  }: {
    throwAway?: boolean
    /** Files from which settings and credentials were read; they must not lie below LOCAL_FILES_ROOT. */
    secretFiles?: readonly string[]
    signal?: AbortSignal
  } = {},
): Promise<App> {
  const logger = createLogger(config.LOG_LEVEL)
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end().catch((err) => logger.error({ err }, 'while stopping'))
  }
  try {
    const { graphiql, introspection, localFilesRoot, localFilesRootNow } = modeSettings(config)
    const rootFault = localFilesRoot && localRootFault(localFilesRoot, config.DATA_DIR, secretFiles)
    if (rootFault) {
      const advice = 'Users could read its files. Choose a folder of its own, such as "files" beside the data folder.'
      throw new ConfigError([`LOCAL_FILES_ROOT: ${rootFault}. ${advice}`])
    }
    closeDataFolder(config.DATA_DIR)
    let embedded: EmbeddedPostgres | undefined
    if (!config.DATABASE_URL) {
      embedded = await startEmbedded({ dataDir: config.DATA_DIR, throwAway, signal })
      stops.push(embedded.stop)
    }
    const databaseUrl = config.DATABASE_URL ?? embedded!.url
    if (!embedded) await orAbort(reachDatabase(databaseUrl), signal)
    const orm = await orAbort(openDatabase(databaseUrl, logger, config.DATABASE_POOL_SIZE), signal)
    stops.push(() => orm.close(true))
    const em = orm.em.fork()

    const connection = connectionOf(config.DATABASE_SESSION_URL ?? databaseUrl)
    const listener = createListener(connection, logger)
    const events = createEventHub(listener, () => orm.em.fork(), logger)
    const { remember, forget } = createAccessChanges(listener)
    stops.push(listener.stop)
    await listener.start()
    stops.push(events.stop)
    await events.start()
    stops.push(giveBackMemory(() => events.size))

    const sealer = createSealer(config.SECRET_KEY ?? loadSecretKey(config.DATA_DIR))
    await probeSecretKey(em, sealer, config.SECRET_KEY_CHANGED)
    const isLocal = isLocalMode(config)
    const egress = createEgress({ isLocal, allowed: config.EGRESS_ALLOWED, blocked: config.EGRESS_BLOCKED })
    const connections = createConnections({
      sealer,
      environment: {
        egress,
        get localFilesRoot() {
          return localFilesRootNow()
        },
      },
      ambient: createAmbientCredentials(config.AMBIENT_CREDENTIALS, isLocal),
    })
    stops.push(async () => connections.stop())
    const { connect } = connections
    const queue = await orAbort(openQueue({ connection, jobsUrl: config.JOBS_URL }, logger), signal)
    const heartbeatSeconds = config.STORAGE_IN_PROGRESS_TIMER
    const writeConcurrency = config.WRITE_CONCURRENCY ?? Math.min(8, 4 * availableParallelism())
    const webhooks = {
      ...{ em, queue, sealer, egress, logger, globalId: globalIdOf },
      retrySeconds: config.WEBHOOK_RETRY_DELAY,
      timeoutSeconds: config.WEBHOOK_TIMEOUT,
    }
    const worker = {
      em,
      queue,
      events,
      connect,
      logger,
      readConcurrency: config.READ_CONCURRENCY,
      writeConcurrency,
      listConcurrency: config.LIST_CONCURRENCY,
      assistAfterSeconds: config.ASSIST_AFTER,
      leading: new Set<number>(),
      heartbeatSeconds,
    }
    const isApi = config.SLUICE_ROLES.includes('api')
    if (config.SLUICE_ROLES.includes('worker')) {
      await startWorker(queue, { worker, webhooks }, { concurrency: config.WORKER_CONCURRENCY, stops })
    } else {
      // Takes no job without a handler, but tells workers of new ones only when it has started.
      await queue.start()
      stops.push(queue.stop)
    }

    let url = config.PUBLIC_URL ?? ''
    const authenticator = createAuthenticator(em, { adminToken: config.ADMIN_TOKEN, remember })
    const mediaTokens = createMediaTokens({ em, sealer, recall: authenticator.recall })
    const admit = createAdmit(em, authenticator.recall)
    const present = createPresent(em)
    const resolve = createResolveParts(connect)
    const scheduleMinSeconds = config.SCHEDULE_MIN_INTERVAL
    const sweep = (project: number) =>
      Promise.race([
        sweepRuns({ em, queue }, heartbeatSeconds, project).catch((err) =>
          logger.warn({ err, project }, 'lost syncs cannot be looked for'),
        ),
        // Whoever lists storages does not wait for a queue that is away.
        sleep(longestSweepMs, undefined, { ref: false }),
      ])
    const enter = async (authorization: string | null) => {
      const viewer = await authenticator.authenticate(authorization)
      const storages = { em, sealer, connect, egress, objectFilter: createObjectFilter, templateFault }
      const parts = {
        ...{
          em,
          queue,
          events,
          connect,
          storages,
          webhooks,
          mediaTokens,
          admit,
          present,
          resolve,
          sweep,
          subscriptions,
        },
        heartbeatSeconds: config.SUBSCRIPTION_HEARTBEAT,
        scheduleMinSeconds,
        linksUrl: config.LINKS_URL ?? url,
      }
      return createContext(parts, viewer)
    }
    const guesses = createGuessLimit(config.WRONG_TOKENS_PER_MINUTE)
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
    const floods = createFloods(config.REQUESTS_PER_SECOND)
    const yoga = createGraphql({
      schema,
      subscribe,
      enter,
      guesses,
      introspection,
      onMutated: forget,
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
          guesses,
          streams: () => streams.count,
          feeds: () => events.size,
          runs: () => countActiveRuns(em),
        })
      : undefined
    const resolveDoor = {
      authenticator,
      mediaTokens,
      guesses,
      locate: createLocator(em, remember),
      parts: resolve,
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
      api: isApi ? { yoga, graphiql, floods, resolve: resolveDoor } : undefined,
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
    // Not before: the socket server would tell a port that is taken in words of its own.
    const mask = (error: unknown) => maskError(error, { logger, introspection })
    const limits = createSocketLimits({
      max: config.SOCKETS_MAX,
      maxPerToken: config.SOCKETS_PER_TOKEN,
      messagesPerSecond: config.SOCKET_MESSAGES_PER_SECOND,
    })
    const closeSockets = isApi
      ? attachWebSocket(server, { yoga, enter, guesses, floods, limits, roleOf, isLocal, mask })
      : async () => {}
    const { port } = server.address() as AddressInfo
    url ||= `http://localhost:${port}`
    stops.push(async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      await closeSockets()
      server.closeAllConnections()
      await closed
      await yoga.dispose()
    })
    // Last: a start that fails must not use up the token that nobody has seen yet. Not by a worker, whose output nobody reads.
    const firstToken = isApi ? await createFirstToken(em, config.ADMIN_TOKEN) : undefined
    return { url, port, graphiql, firstToken, databaseUrl, clusterFolder: embedded?.folder, orm, events, queue, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
