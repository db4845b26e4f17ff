import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { MikroORM } from '@mikro-orm/postgresql'
import { createFirstToken } from './access/tokens.ts'
import { startApi } from './app/api.ts'
import { type Config, ConfigError } from './config.ts'
import { createConnections } from './connect.ts'
import { closeDataFolder } from './database/cluster.ts'
import { type EmbeddedPostgres, startEmbedded } from './database/embedded.ts'
import { probeSecretKey } from './database/key-probe.ts'
import { connectionOf, openDatabase } from './database/open.ts'
import { reachDatabase } from './database/reach.ts'
import { createAccessCache } from './events/access-cache.ts'
import { createEventHub, type EventHub } from './events/hub.ts'
import { createListener } from './events/listen.ts'
import { releaseMemory } from './events/release-memory.ts'
import { globalIdOf } from './graphql/ids.ts'
import { createLogger } from './logger.ts'
import { orAbort } from './or-abort.ts'
import { createPacing } from './pacing/pacing.ts'
import { createAmbientCredentials } from './providers/ambient.ts'
import type { Queue } from './queue/agenda.ts'
import { openQueue } from './queue/open.ts'
import { createEgress } from './security/egress.ts'
import { isLocalMode } from './security/local-mode.ts'
import { localRootFault } from './security/local-root.ts'
import { modeSettings } from './security/mode-defaults.ts'
import { createSealer } from './security/seal.ts'
import { loadSecretKey } from './security/secret-key.ts'
import { startWorker } from './worker.ts'

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
    const access = createAccessCache(listener)
    stops.push(listener.stop)
    await listener.start()
    stops.push(events.stop)
    await events.start()
    stops.push(releaseMemory(() => events.size))

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
      paceOf: createPacing(em),
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
      patienceSeconds: config.STORAGE_PATIENCE,
      spoolFolder: join(config.DATA_DIR, 'spool'),
      leading: new Set<number>(),
      heartbeatSeconds,
    }
    if (config.SLUICE_ROLES.includes('worker')) {
      await startWorker(queue, { worker, webhooks }, { concurrency: config.WORKER_CONCURRENCY, stops })
    } else {
      // Takes no job without a handler, but tells workers of new ones only when it has started.
      await queue.start()
      stops.push(queue.stop)
    }

    const api = await startApi(
      config,
      { em, logger, queue, events, access, sealer, egress, connect, webhooks },
      { isLocal, graphiql, introspection },
    )
    stops.push(api.stop)
    // Last: a start that fails must not use up the token that nobody has seen yet. Not by a worker, whose output nobody reads.
    const firstToken = config.SLUICE_ROLES.includes('api') ? await createFirstToken(em, config.ADMIN_TOKEN) : undefined
    const { url, port } = api
    return { url, port, graphiql, firstToken, databaseUrl, clusterFolder: embedded?.folder, orm, events, queue, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
