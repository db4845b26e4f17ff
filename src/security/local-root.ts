import { type BigIntStats, existsSync, mkdirSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'

/**
 * Why `root` must not be LOCAL_FILES_ROOT, if there is a reason: users can make everything below it a storage and read it. It
 * must not contain the data folder, with the database and the key, or files from which the server reads secrets. Symbolic links
 * are followed. Files that do not exist yet are compared by their future path.
 */
export function localRootFault(root: string, dataDir: string, secretFiles: readonly string[] = []): string | undefined {
  const secrets: [what: string, path: string][] = [
    ['the data folder', dataDir],
    ['the database', join(dataDir, 'postgres')],
    ['the secret key', join(dataDir, 'secret.key')],
    ...secretFiles.map((path): [string, string] => ['a file with secrets', path]),
  ]
  for (const [what, path] of secrets) {
    const printable = `${what} (${path})`
    if (isSame(root, path)) return `is ${printable}`
    if (contains(root, path)) return `contains ${printable}`
    if (contains(path, root)) return `is inside ${printable}`
  }
  return undefined
}

/**
 * Creates the default LOCAL_FILES_ROOT at the first start, that is, if there is no data folder yet. If the file system refuses,
 * the start continues without local storages, because most installations need none.
 */
export function createDefaultRoot(root: string, dataDir: string): void {
  if (existsSync(dataDir)) return
  try {
    mkdirSync(root, { recursive: true })
  } catch {
    // When a user opens a local storage, its error message says what to do.
  }
}

/** The message at the start about a LOCAL_FILES_ROOT that no storage can use. Undefined if it is a folder. */
export function localRootNotice(root: string): string | undefined {
  const stats = lookUp(root)
  if (stats?.isDirectory()) return undefined
  const fault = stats ? 'is not a folder' : 'does not exist, or the server may not look at it'
  return `LOCAL_FILES_ROOT ${root} ${fault}. Local storages cannot be opened until it is a folder.`
}

/** True if `inner` is in `outer`. Existing folders are compared by device and inode, so case and bind mounts do not matter. */
function contains(outer: string, inner: string): boolean {
  return ancestorsOf(realPath(inner)).some((folder) => isSame(outer, folder))
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [realPath(one), realPath(other)]
  const [a, b] = [first, second].map(lookUp)
  return a && b ? a.dev === b.dev && a.ino === b.ino : normalized(first) === normalized(second)
}

/** Undefined if the path does not exist or cannot be read, such as a link to itself. */
function lookUp(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

const ignoresCase = process.platform === 'darwin' || process.platform === 'win32'
const normalized = (path: string) => (ignoresCase ? path.toLowerCase() : path)

function ancestorsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...ancestorsOf(parent)]
}

/** The path without symbolic links. If it, or the target of a link, does not exist yet, the result is its future path. */
function realPath(path: string, linksLeft = 40): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    const parent = dirname(absolute)
    if (parent === absolute) return absolute
    const target = linksLeft > 0 ? targetOf(absolute) : undefined
    if (target !== undefined) return realPath(resolve(parent, target), linksLeft - 1)
    const real = realPath(parent, linksLeft)
    return real.endsWith(sep) ? real + basename(absolute) : join(real, basename(absolute))
  }
}

/** The target of a symbolic link. Undefined if the path is not a link, does not exist, or has a file as a parent. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
