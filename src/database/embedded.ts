import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { StartupError } from '../config.ts'
import { alive, type Cluster, childEnvironment, prepareCluster } from './cluster.ts'

const ownerLock = 7164293
/** An owner that is stopping, or whose death the server has yet to notice, lets go within this time. */
const handOverMs = 2_000
/** How long a server that nobody owns may take to start up or shut down. */
const settleMs = 20_000

/** A running embedded PostgreSQL. */
export interface EmbeddedPostgres {
  /** `postgres://` URL of the server's `sluice` database, over a unix socket. */
  url: string
  /** The folder that holds the cluster. */
  folder: string
  /** Stops the server after its sessions were ended; resolves when its process is gone. */
  stop(): Promise<void>
}

/** The data folder is in use by another Sluice. */
export class DataFolderInUse extends StartupError {
  readonly exitCode = 75
}

interface EmbeddedOptions {
  /** Folder for the cluster; made when missing. */
  dataDir: string
  /** Skip what makes data survive a power cut. For throw-away folders only. */
  throwAway?: boolean
  /** Ends a start that is under way; nothing is left running. */
  signal?: AbortSignal | undefined
}

/**
 * Starts the PostgreSQL that ships with the package in `dataDir`, creating the cluster at first. A server that a killed
 * process left behind is taken over. The owner holds an advisory lock for as long as it lives, which ends with its
 * connection: no stale lock file can be left. A server that dies meanwhile is started again. When this process ends without
 * `stop`, the server is told to shut down.
 * @throws DataFolderInUse when another live process owns the folder; DataFolderUnusable when it cannot be written; Error
 * when PostgreSQL does not start (with its log); the reason of `signal`.
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
  /** Its session holds the owner's lock. */
  lock: pg.Client
  /** The server's process; undefined when it was running already. */
  child: ChildProcess | undefined
}

/** Reaches the cluster's server, starting it when there is none, and takes the owner's lock. */
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

/** False when another session has the lock, or the server is shutting down. */
async function takeLock(client: pg.Client): Promise<boolean> {
  try {
    const { rows } = await client.query('select pg_try_advisory_lock($1) as mine', [ownerLock])
    return rows[0].mine
  } catch {
    return false
  }
}

/**
 * Takes the lock anew when its session ends, as all do when the server recovers from a crash, or is gone and has to be brought
 * back by `revive`. Returns what lets go of it.
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
  // Detached: Ctrl-C in a terminal goes to the whole group, and we stop the server ourselves, last.
  const stdio = ['ignore', log, log] as ('ignore' | number)[]
  const options = { ...user, env: childEnvironment(), cwd: folder, detached: true, stdio }
  const child = spawn(postgres, ['-D', ownName, ...flags], options)
  closeSync(log)
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  return child
}

/** The first connection; undefined when `child` ends before there is one. When `signal` aborts, `child` is stopped. */
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
    // It has ended.
  }
}

interface Server {
  pid: number
  /** Undefined when another process has started it. */
  child: ChildProcess | undefined
}

const isGone = ({ pid, child }: Server) => (child ? hasEnded(child) : !alive(pid))

/** Asks for a fast shutdown (SIGINT) and waits for the process to be gone; after 20 s it is cut off (SIGQUIT). */
async function stopServer(server: Server): Promise<void> {
  if (isGone(server)) return
  tell(server.pid, 'SIGINT')
  for (let waited = 0; !isGone(server); waited += 10) {
    if (waited === 20_000) tell(server.pid, 'SIGQUIT')
    await sleep(10)
  }
}
