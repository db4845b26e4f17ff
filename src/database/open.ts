import { Migrator } from '@mikro-orm/migrations'
import { MikroORM, type Options } from '@mikro-orm/postgresql'
import { CompiledQuery, type DatabaseConnection } from 'kysely'
import pg from 'pg'
import { entities } from '../entities/index.ts'
import { parseJson } from '../json.ts'
import type { Logger } from '../logger.ts'
import { migrations } from './migrations/index.ts'
import { compareSchemaVersions } from './schema-version.ts'
import { limitStatements } from './statement-limits.ts'

// `parseJson` keeps all digits of the numbers in task data.
pg.types.setTypeParser(pg.types.builtins.JSON, parseJson)
pg.types.setTypeParser(pg.types.builtins.JSONB, parseJson)

/** Tables of the job queue. They are in the same database, and the schema diff of the ORM must ignore them. */
const queueTables = ['agenda_jobs', 'agenda_logs']

/** Options of the ORM for the database at `url`. The command line of the ORM uses them, too. */
export function ormOptions(url: string, poolSize = 20): Options {
  return {
    clientUrl: url,
    ...unixSocket(url),
    entities,
    extensions: [Migrator],
    migrations: { migrationsList: migrations, path: 'src/database/migrations', snapshot: false, emit: 'ts' },
    schemaGenerator: { skipTables: queueTables, ignoreTriggers: true, ignoreRoutines: true },
    pool: { min: 0, max: poolSize, idleTimeoutMillis: 30_000 },
    driverOptions: { onPoolCreated: preparePool },
    onCreateConnection: (connection) => endWhenLeft(connection as DatabaseConnection),
    discovery: { checkDuplicateTableNames: true },
  } as Options
}

function preparePool(pool: pg.Pool): void {
  releaseLost(pool)
  limitStatements(pool)
}

/**
 * Releases connections that were lost in a transaction. Kysely releases a connection only after a successful `begin`, `commit`
 * or `rollback`, so every database outage would make the pool smaller until it is empty.
 */
function releaseLost(pool: pg.Pool): void {
  const taken = new WeakSet<pg.PoolClient>()
  pool.on('acquire', (client) => taken.add(client))
  pool.on('release', (_error, client) => taken.delete(client))
  pool.on('connect', (client) => {
    // Code that releases the connection itself learns of the loss at once, and does it before this timer fires.
    client.once('end', () => setTimeout(() => taken.has(client) && client.release(true), 100))
  })
}

// A process can stall in a transaction, or its machine can vanish. Without a limit, its locks would block all other processes.
const leftAfterSeconds = 10

/** Makes the server end a session that leaves a transaction idle. Not a startup parameter, because poolers refuse those. */
async function endWhenLeft(connection: DatabaseConnection): Promise<void> {
  await connection.executeQuery(CompiledQuery.raw(`set idle_in_transaction_session_timeout = '${leftAfterSeconds}s'`))
}

/** Parses `postgres:///db?host=/folder`, the form for a unix socket, which the URL parser of the ORM does not support. */
function unixSocket(url: string): Pick<Options, 'host' | 'user' | 'password' | 'dbName' | 'clientUrl'> | undefined {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host')
  if (!host) return undefined
  const { searchParams, pathname } = parsed
  return {
    clientUrl: undefined,
    host,
    user: searchParams.get('user') ?? undefined,
    password: searchParams.get('password') ?? undefined,
    dbName: pathname.slice(1),
  }
}

/**
 * Connects and migrates the schema. Several processes may start at the same time: one migrates, and the others wait. The caller
 * closes the ORM.
 * @throws NewerSchemaError if a newer version has changed the schema. Nothing is changed in this case.
 */
export async function openDatabase(url: string, logger: Logger, poolSize?: number): Promise<MikroORM> {
  const orm = await MikroORM.init({
    ...ormOptions(url, poolSize),
    logger: (message) => logger.debug(message),
  })
  const gate = new pg.Client(connectionOf(url))
  try {
    await gate.connect()
    // Not a session lock: with a pooler, it would stay on a connection that other clients get.
    await gate.query('begin')
    await gate.query(`select pg_advisory_xact_lock(hashtext('sluice migrations'))`)
    await compareSchemaVersions(orm)
    await orm.migrator.up()
    await gate.query('commit')
  } catch (error) {
    await orm.close(true)
    throw error
  } finally {
    await gate.end()
  }
  return orm
}

/** Settings of a plain `pg` client or pool for the database at `url`. */
export function connectionOf(url: string): pg.ClientConfig {
  const socket = unixSocket(url)
  return socket
    ? { host: socket.host, user: socket.user, password: socket.password as string, database: socket.dbName }
    : { connectionString: url }
}
