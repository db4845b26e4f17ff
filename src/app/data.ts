import type { EntityManager, MikroORM } from '@mikro-orm/postgresql'
import type { Config } from '../config.ts'
import { type Connect, createConnections } from '../connect.ts'
import { closeDataFolder } from '../database/cluster.ts'
import { type EmbeddedPostgres, startEmbedded } from '../database/embedded.ts'
import { probeSecretKey } from '../database/key-probe.ts'
import { connectionOf, openDatabase } from '../database/open.ts'
import { reachDatabase } from '../database/reach.ts'
import { createAccessCache } from '../events/access-cache.ts'
import { createEventHub, type EventHub } from '../events/hub.ts'
import { createListener } from '../events/listen.ts'
import { releaseMemory } from '../events/release-memory.ts'
import type { Logger } from '../logger.ts'
import { orAbort } from '../or-abort.ts'
import { createPacing } from '../pacing/pacing.ts'
import { createAmbientCredentials } from '../providers/ambient.ts'
import { createEgress, type Egress } from '../security/egress.ts'
import { createSealer, type Sealer } from '../security/seal.ts'
import { loadSecretKey } from '../security/secret-key.ts'

/** The parts that every role of a process needs: the database, the event log, secrets and connections to storages. */
export interface Data {
  orm: MikroORM
  em: EntityManager
  databaseUrl: string
  /** Connection settings for a session: LISTEN and the job queue. */
  session: ReturnType<typeof connectionOf>
  /** Cluster folder of the embedded PostgreSQL. Undefined with DATABASE_URL. */
  clusterFolder: string | undefined
  events: EventHub
  access: ReturnType<typeof createAccessCache>
  sealer: Sealer
  egress: Egress
  connect: Connect
}

interface DataOptions {
  /** Disable durability (fsync) of the embedded PostgreSQL. */
  throwAway: boolean
  isLocal: boolean
  /** Returns the folder whose subfolders may currently be storages. */
  localFilesRootNow: () => string | undefined
  logger: Logger
  signal?: AbortSignal | undefined
  /** Receives a stop function for each part, in the order in which the parts start. */
  stops: (() => Promise<unknown>)[]
}

/**
 * Starts the embedded database or connects to DATABASE_URL, migrates the schema, and starts the parts that read from it.
 * @throws StartupError with the reason; the reason of `signal` when it aborts.
 */
export async function openData(
  config: Config,
  { throwAway, isLocal, localFilesRootNow, logger, signal, stops }: DataOptions,
): Promise<Data> {
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

  const session = connectionOf(config.DATABASE_SESSION_URL ?? databaseUrl)
  const listener = createListener(session, logger)
  const events = createEventHub(listener, () => orm.em.fork(), logger)
  const access = createAccessCache(listener)
  stops.push(listener.stop)
  await listener.start()
  stops.push(events.stop)
  await events.start()
  stops.push(releaseMemory(() => events.size))

  const sealer = createSealer(config.SECRET_KEY ?? loadSecretKey(config.DATA_DIR))
  await probeSecretKey(em, sealer, config.SECRET_KEY_CHANGED)
  const egress = createEgress({ isLocal, allowed: config.EGRESS_ALLOWED, blocked: config.EGRESS_BLOCKED })
  const environment = {
    egress,
    get localFilesRoot() {
      return localFilesRootNow()
    },
  }
  const ambient = createAmbientCredentials(config.AMBIENT_CREDENTIALS, isLocal)
  const connections = createConnections({ sealer, environment, ambient, paceOf: createPacing(em) })
  stops.push(async () => connections.stop())
  const { connect } = connections
  const clusterFolder = embedded?.folder
  return { orm, em, databaseUrl, session, clusterFolder, events, access, sealer, egress, connect }
}
