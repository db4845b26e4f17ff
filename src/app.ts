import type { MikroORM } from '@mikro-orm/postgresql'
import { createFirstToken } from './access/tokens.ts'
import { startApi } from './app/api.ts'
import { openData } from './app/data.ts'
import { startJobs } from './app/jobs.ts'
import { type Config, ConfigError } from './config.ts'
import type { EventHub } from './events/hub.ts'
import { createLogger } from './logger.ts'
import type { Queue } from './queue/agenda.ts'
import { isLocalMode } from './security/local-mode.ts'
import { createDefaultRoot, localRootFault } from './security/local-root.ts'
import { modeSettings } from './security/mode-defaults.ts'

/** A running Sluice. */
export interface App {
  /** URL at which clients reach the server: PUBLIC_URL, or localhost with the port. */
  url: string
  port: number
  /** True if the server serves the GraphiQL page. */
  graphiql: boolean
  /** The admin token. Set only at the first start of an api process on a database. */
  firstToken: string | undefined
  databaseUrl: string
  /** Cluster folder of the embedded PostgreSQL. Undefined with DATABASE_URL. */
  clusterFolder: string | undefined
  orm: MikroORM
  events: EventHub
  queue: Queue
  /** Ends requests, releases running syncs, closes all connections and stops the embedded PostgreSQL. */
  stop(): Promise<void>
}

/**
 * Starts every part once, in order: data, jobs, API. If a part fails, or `signal` aborts, it stops the parts that have started.
 */
export async function startApp(
  config: Config,
  {
    throwAway = false,
    secretFiles = [],
    signal,
  }: {
    throwAway?: boolean
    /** Files from which settings and credentials were read. LOCAL_FILES_ROOT must not contain them. */
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
    if (localFilesRoot && !config.LOCAL_FILES_ROOT) createDefaultRoot(localFilesRoot, config.DATA_DIR)
    const isLocal = isLocalMode(config)
    const data = await openData(config, { throwAway, isLocal, localFilesRootNow, logger, signal, stops })
    const { queue, webhooks } = await startJobs(config, data, { logger, signal, stops })
    const api = await startApi(config, { ...data, logger, queue, webhooks }, { isLocal, graphiql, introspection })
    stops.push(api.stop)
    // Last, so that a start that fails does not create the token before it can print it. Workers create none, because nobody
    // reads their output.
    const firstToken = config.SLUICE_ROLES.includes('api')
      ? await createFirstToken(data.em, config.ADMIN_TOKEN)
      : undefined
    const { url, port } = api
    const { orm, events, databaseUrl, clusterFolder } = data
    return { url, port, graphiql, firstToken, databaseUrl, clusterFolder, orm, events, queue, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
