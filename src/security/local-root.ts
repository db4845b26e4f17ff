import { type BigIntStats, existsSync, mkdirSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'

/**
 * The reason why `root` must not be LOCAL_FILES_ROOT, if there is one: everything below it can become a storage and be read by
 * users. What the server keeps for itself is the data folder, with its database and its key, wherever links lead, and the files
 * from which it reads secrets. What does not exist yet is compared by the path that it will have.
 */
export function localRootFault(root: string, dataDir: string, secretFiles: readonly string[] = []): string | undefined {
  const secrets: [what: string, path: string][] = [
    ['the data folder', dataDir],
    ['the database', join(dataDir, 'postgres')],
    ['the secret key', join(dataDir, 'secret.key')],
    ...secretFiles.map((path): [string, string] => ['a file with secrets', path]),
  ]
  for (const [what, path] of secrets) {
    const shown = `${what} (${path})`
    if (isSame(root, path)) return `is ${shown}`
    if (contains(root, path)) return `contains ${shown}`
    if (contains(path, root)) return `is inside ${shown}`
  }
  return undefined
}

/**
 * Creates the default LOCAL_FILES_ROOT at the first start, which is the one that finds no data folder. If the file system
 * refuses, local storages stay disabled and the start goes on: most installations need none.
 */
export function createDefaultRoot(root: string, dataDir: string): void {
  if (existsSync(dataDir)) return
  try {
    mkdirSync(root, { recursive: true })
  } catch {
    // Local storages then say what to do.
  }
}

/** What to say at the start about a LOCAL_FILES_ROOT that no storage can use; undefined if it is a folder. */
export function localRootNotice(root: string): string | undefined {
  const stats = lookUp(root)
  if (stats?.isDirectory()) return undefined
  const fault = stats ? 'is not a folder' : 'does not exist, or the server may not look at it'
  return `LOCAL_FILES_ROOT ${root} ${fault}. Local storages cannot be opened until it is a folder.`
}

/** True if `inner` is below `outer`. Existing folders are compared by device and inode: case and bind mounts do not matter. */
function contains(outer: string, inner: string): boolean {
  return ancestorsOf(realPath(inner)).some((folder) => isSame(outer, folder))
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [realPath(one), realPath(other)]
  const [a, b] = [first, second].map(lookUp)
  return a && b ? a.dev === b.dev && a.ino === b.ino : spelled(first) === spelled(second)
}

/** Undefined for what does not exist or cannot be looked at, such as a link to itself. */
function lookUp(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

const ignoresCase = process.platform === 'darwin' || process.platform === 'win32'
const spelled = (path: string) => (ignoresCase ? path.toLowerCase() : path)

function ancestorsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...ancestorsOf(parent)]
}

/** The path without links. Of a path that does not exist yet, or a link that leads to such a one, the path that it will have. */
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

/** Where a link leads; undefined for what is no link, does not exist, or lies below a file. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
