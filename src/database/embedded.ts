import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { StartupError } from '../config.ts'
import { alive, type Cluster, childEnvironment, prepareCluster } from './cluster.ts'

const ownerLock = 7164293
/** Milliseconds within which an owner that is stopping, or whose end the server has not noticed yet, releases the lock. */
const handOverMs = 2_000
/** Milliseconds that a server without an owner may need to start or shut down. */
const settleMs = 20_000

/** A running embedded PostgreSQL. */
export interface EmbeddedPostgres {
  /** `postgres://` URL of the server's `sluice` database, over a unix socket. */
  url: string
  /** The folder that holds the cluster. */
  folder: string
  /** Stops the server, and waits until its process has ended. Close all sessions before. */
  stop(): Promise<void>
}

/** The data folder is in use by another Sluice. */
class DataFolderInUse extends StartupError {
  readonly exitCode = 75
}

interface EmbeddedOptions {
  /** Folder for the cluster. Created if it does not exist. */
  dataDir: string
  /** Disable durability (fsync). For throw-away folders only. */
  throwAway?: boolean
  /** Aborts the start. No process is left running. */
  signal?: AbortSignal | undefined
}

/**
 * Starts the PostgreSQL of the package in `dataDir`, and creates the cluster at the first start. If a killed process has left a
 * server running, it takes that server over. The owner holds an advisory lock, which ends with its connection, so there is no
 * stale lock file. A server that ends unexpectedly is restarted. If this process exits without `stop`, it sends the server
 * SIGINT.
 * @throws DataFolderInUse if another live process owns the folder; DataFolderUnusable if it cannot be written; Error if
 * PostgreSQL does not start (with its log); the reason of `signal`.
 */
export async function startEmbedded({
  dataDir,
  throwAway = false,
  signal,
}: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const cluster = await prepareCluster(dataDir, signal)
  const { folder, socketDir, password } = cluster
  const { lock, child } = await own(cluster, { dataDir, throwAway, signal })
  let server: Server = { pid: child?.pid ?? serverPid(folder), child }
  const revive = async () => {
    if (!isGone(server)) return undefined
    const next = await startServer(cluster, throwAway)
    server = { pid: next.pid!, child: next }
    return untilUp(cluster, next, undefined)
  }
  const release = keepLock(cluster, lock, revive)
  const onExit = () => tell(server.pid, 'SIGINT')
  process.once('exit', onExit)
  const stop = async () => {
    await release()
    await stopServer(server)
    process.off('exit', onExit)
    cluster.tidy({ data: throwAway })
  }
  try {
    const known = await lock.query(`select 1 from pg_database where datname = 'sluice'`)
    if (known.rowCount === 0) await lock.query('create database sluice')
  } catch (error) {
    await stop()
    throw error
  }
  const query = new URLSearchParams({ host: socketDir, user: 'sluice', password })
  return { url: `postgres:///sluice?${query}`, folder, stop }
}

interface Owned {
  /** The session of this client holds the owner's lock. */
  lock: pg.Client
  /** Process of the server. Undefined if it was running already. */
  child: ChildProcess | undefined
}

/** Connects to the server of the cluster, starts it if none is running, and takes the owner's lock. */
async function own(
  cluster: Cluster,
  { dataDir, throwAway, signal }: { dataDir: string; throwAway: boolean; signal: AbortSignal | undefined },
): Promise<Owned> {
  const begun = Date.now()
  for (;;) {
    signal?.throwIfAborted()
    const running = await connect(cluster)
    const child = running ? undefined : await startServer(cluster, throwAway)
    const lock = running ?? (await untilUp(cluster, child!, signal))
    if (!lock) {
      const log = readFileSync(join(cluster.folder, 'server.log'), 'utf8').trim()
      const another = log.includes('lock file "postmaster.pid" already exists')
      if (!another || Date.now() > begun + settleMs) throw new Error(`PostgreSQL did not start:\n${log}`)
    } else {
      if (await takeLock(lock)) return { lock, child: child?.pid === serverPid(cluster.folder) ? child : undefined }
      await lock.end().catch(() => {})
      if (Date.now() > begun + handOverMs) {
        throw new DataFolderInUse(`Another Sluice is running on the data folder ${dataDir}. Stop it, or set DATA_DIR.`)
      }
    }
    await sleep(100)
  }
}

/** Returns false if another session has the lock, or the server is shutting down. */
async function takeLock(client: pg.Client): Promise<boolean> {
  try {
    const { rows } = await client.query(`select pg_try_advisory_lock(${ownerLock}) as mine`)
    return rows[0].mine
  } catch {
    return false
  }
}

/**
 * Takes the lock again when its session ends. All sessions end when the server recovers from a crash. If the server has ended,
 * `revive` restarts it. Returns a function that releases the lock.
 */
function keepLock(
  cluster: Cluster,
  first: pg.Client,
  revive: () => Promise<pg.Client | undefined>,
): () => Promise<void> {
  let lock = first
  let released = false
  let keeping: Promise<void> | undefined
  const onEnd = () => {
    keeping = keep()
  }
  const keep = async () => {
    while (!released) {
      const next = (await connect(cluster)) ?? (await revive().catch(() => undefined))
      if (next && (await takeLock(next))) {
        lock = next.once('end', onEnd)
        return
      }
      await next?.end().catch(() => {})
      await sleep(200)
    }
  }
  lock.once('end', onEnd)
  return async () => {
    released = true
    await keeping
    await lock.end().catch(() => {})
  }
}

async function startServer(
  { folder, ownName, socketDir, postgres, user }: Cluster,
  throwAway: boolean,
): Promise<ChildProcess> {
  const settings = [
    'listen_addresses=',
    `unix_socket_directories="${socketDir.replaceAll('"', '""')}"`,
    'unix_socket_permissions=0700',
    'max_connections=200',
    'shared_buffers=256MB',
    'max_wal_size=2GB',
  ]
  if (throwAway) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off')
  const flags = settings.flatMap((setting) => ['-c', setting])
  const log = openSync(join(folder, 'server.log'), 'w')
  // Detached: Ctrl-C in a terminal signals the whole process group, but this process must stop the server itself, last.
  const stdio: ('ignore' | number)[] = ['ignore', log, log]
  const options = { ...user, env: childEnvironment(), cwd: folder, detached: true, stdio }
  const child = spawn(postgres, ['-D', ownName, ...flags], options)
  closeSync(log)
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  return child
}

/** Waits for the first connection. Undefined if `child` ends before that. If `signal` aborts, `child` is stopped. */
async function untilUp(
  cluster: Cluster,
  child: ChildProcess,
  signal: AbortSignal | undefined,
): Promise<pg.Client | undefined> {
  for (;;) {
    const client = await connect(cluster)
    if (client) return client
    if (hasEnded(child)) return undefined
    if (signal?.aborted) {
      await stopServer({ pid: child.pid!, child })
      signal.throwIfAborted()
    }
    await sleep(10)
  }
}

async function connect({ socketDir, password }: Cluster): Promise<pg.Client | undefined> {
  const client = new pg.Client({ host: socketDir, port: 5432, user: 'sluice', password, database: 'postgres' })
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch {
    return undefined
  }
}

const serverPid = (folder: string) => Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0])

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // The process has already ended.
  }
}

interface Server {
  pid: number
  /** Undefined if another process has started the server. */
  child: ChildProcess | undefined
}

const isGone = ({ pid, child }: Server) => (child ? hasEnded(child) : !alive(pid))

/** Requests a fast shutdown (SIGINT) and waits until the process has ended. After 20 s it sends SIGQUIT. */
async function stopServer(server: Server): Promise<void> {
  if (isGone(server)) return
  tell(server.pid, 'SIGINT')
  for (let waited = 0; !isGone(server); waited += 10) {
    if (waited === 20_000) tell(server.pid, 'SIGQUIT')
    await sleep(10)
  }
}
