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

// Task data keeps its digits on the way out of the database, too.
pg.types.setTypeParser(pg.types.builtins.JSON, parseJson)
pg.types.setTypeParser(pg.types.builtins.JSONB, parseJson)

/** Tables of the job queue live in the same database; the ORM's schema diff must leave them alone. */
export const queueTables = ['agenda_jobs', 'agenda_logs']

/** The ORM's options for a database at `url`; shared with the ORM's own command line. */
export function ormOptions(url: string, poolSize = 20): Options {
  return {
    clientUrl: url,
    ...unixSocket(url),
    entities,
    extensions: [Migrator],
    migrations: { migrationsList: migrations, path: 'src/database/migrations', snapshot: false, emit: 'ts' },
    schemaGenerator: { skipTables: queueTables, ignoreTriggers: true },
    pool: { min: 0, max: poolSize, idleTimeoutMillis: 30_000 },
    driverOptions: { onPoolCreated: preparePool },
    onCreateConnection: (connection) => endWhenLeft(connection as DatabaseConnection),
    discovery: { checkDuplicateTableNames: true },
  } as Options
}

function preparePool(pool: pg.Pool): void {
  giveBackLost(pool)
  limitStatements(pool)
}

/**
 * Gives connections back to the pool that were lost in a transaction: Kysely does that only after a `begin`, `commit` or
 * `rollback` that succeeded, so that every cut of the database would make the pool smaller, until nothing is left.
 */
function giveBackLost(pool: pg.Pool): void {
  const taken = new WeakSet<pg.PoolClient>()
  pool.on('acquire', (client) => taken.add(client))
  pool.on('release', (_error, client) => taken.delete(client))
  pool.on('connect', (client) => {
    // Whoever would give it back has been told of the loss, and does it before this.
    client.once('end', () => setTimeout(() => taken.has(client) && client.release(true), 100))
  })
}

// Locks of a process that stands still in a transaction, or whose machine has vanished, would keep all others waiting.
const leftAfterSeconds = 10

/** Lets the server end the session when a transaction is left open. Not a startup parameter, which poolers refuse. */
async function endWhenLeft(connection: DatabaseConnection): Promise<void> {
  await connection.executeQuery(CompiledQuery.raw(`set idle_in_transaction_session_timeout = '${leftAfterSeconds}s'`))
}

/** `postgres:///db?host=/folder` reaches a unix socket; the ORM's URL parser does not know the form. */
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
 * Connects and brings the schema up to date. Safe when several processes start at once: one migrates, the others wait.
 * The caller closes the ORM.
 * @throws NewerSchemaError if a newer version has changed the schema; then nothing was changed.
 */
export async function openDatabase(url: string, logger: Logger, poolSize?: number): Promise<MikroORM> {
  const orm = await MikroORM.init({
    ...ormOptions(url, poolSize),
    logger: (message) => logger.debug(message),
  })
  const gate = new pg.Client(connectionOf(url))
  try {
    await gate.connect()
    // Not a lock of the session: behind a pooler, that would stay with a connection which others get.
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

/** What a bare `pg` client or pool needs to reach the database at `url`. */
export function connectionOf(url: string): pg.ClientConfig {
  const socket = unixSocket(url)
  return socket
    ? { host: socket.host, user: socket.user, password: socket.password as string, database: socket.dbName }
    : { connectionString: url }
}
