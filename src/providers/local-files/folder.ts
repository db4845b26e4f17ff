import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'
import { absoluteRange } from '../absolute-range.ts'
import { contentTypeOf } from '../content-type.ts'
import { endOnAbort } from '../end-on-abort.ts'
import type { ObjectInfo, Provider } from '../provider.ts'
import type { LocalFilesLocation } from './location.ts'
import { pausedWalks } from './paused-walks.ts'
import { unfinishedName, walk } from './walk.ts'

// What a stream would read at once.
const sliceBytes = 64 * 1024

/** Opens a folder below `root`. No path and no symbolic link leads out of the folder: what a path really is decides. */
export async function openLocalFolder({ path }: LocalFilesLocation, root: string | undefined): Promise<Provider> {
  if (root === undefined) throw new SluiceError('LOCAL_FILES_DISABLED')
  const wanted = resolve(root, path)
  if (wanted !== root && !inside(wanted, root)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')

  const lookUp = async (): Promise<string> => {
    const [realRoot, real] = await Promise.all([
      resolvePath(root, 'LOCAL_PATH_MISSING'),
      resolvePath(wanted, 'LOCAL_PATH_MISSING'),
    ])
    if (real === realRoot) throw new SluiceError('LOCAL_PATH_IS_ROOT')
    if (!inside(real, realRoot)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
    return real
  }
  let looking: Promise<string> | undefined
  /** The folder's real path. Looked up at every use, since links can change; uses at the same moment share it. */
  const folder = (): Promise<string> => {
    looking ??= lookUp().finally(() => {
      looking = undefined
    })
    return looking
  }

  /** The real path of the object `key`, which must lie inside the folder. */
  const locate = async (key: string): Promise<string> => {
    const real = await folder()
    // Another spelling of a path, such as `a/../b` or `a//b`, is another key, which no file has.
    if (key.includes('\0') || normalize(key) !== key || !inside(resolve(root, key), wanted)) {
      throw new SluiceError('OBJECT_MISSING')
    }
    const target = await resolvePath(join(root, key), 'OBJECT_MISSING')
    if (!inside(target, real)) throw new SluiceError('OBJECT_MISSING')
    return target
  }

  const paused = pausedWalks()

  return {
    ordered: true,
    keyCursor: true,

    async check(signal) {
      signal?.throwIfAborted()
      const real = await folder()
      if (!(await stat(real)).isDirectory()) throw new SluiceError('LOCAL_PATH_MISSING', 'The path is not a folder.')
    },

    async list({ cursor, limit, recursive, signal }) {
      const real = await folder()
      const files =
        paused.take(cursor, recursive) ?? walk({ folder: real, prefix: `${path}/`, after: cursor, recursive })
      const objects: ObjectInfo[] = []
      while (objects.length < limit) {
        signal?.throwIfAborted()
        const found = await files.next()
        if (found.done) return { objects, cursor: null }
        objects.push({ key: found.value.key, size: found.value.stats.size, ...identity(found.value.stats) })
      }
      const last = objects.at(-1)!.key
      paused.keep(last, recursive, files)
      return { objects, cursor: last }
    },

    async read(key, { range, ifMatch, signal } = {}) {
      signal?.throwIfAborted()
      const file = await openFile(await locate(key))
      try {
        const stats = await file.stat()
        if (!stats.isFile()) throw new SluiceError('OBJECT_MISSING')
        const { etag, lastModified } = identity(stats)
        if (ifMatch !== undefined && ifMatch !== etag) throw new SluiceError('PRECONDITION_FAILED')
        const size = stats.size
        const part = range && absoluteRange(range, size)
        const { start, end } = part ?? { start: 0, end: size - 1 }
        const about = { size, etag, lastModified, contentType: contentTypeOf(key) ?? null }
        if (size === 0) {
          await file.close()
          return { body: Readable.from([]), length: 0, ...about }
        }
        const length = end - start + 1
        const body = length > sliceBytes ? file.createReadStream({ start, end }) : await readSlice(file, start, length)
        signal?.throwIfAborted()
        return { body: endOnAbort(body, signal), length, ...(part && { range: part }), ...about }
      } catch (error) {
        await file.close()
        throw error
      }
    },

    async write(key, body, { signal } = {}) {
      signal?.throwIfAborted()
      const real = await folder()
      const target = resolve(root, key)
      if (!inside(target, wanted)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
      try {
        const dir = await makeFolder(dirname(target), real)
        // Renamed into place, so that no reader ever sees half an object.
        const fresh = join(dir, unfinishedName())
        const file = await open(fresh, 'wx')
        try {
          await file.writeFile(body)
          await file.sync()
          await rename(fresh, join(dir, basename(target)))
        } catch (error) {
          await rm(fresh, { force: true })
          throw error
        } finally {
          await file.close()
        }
      } catch (error) {
        throw writeError(error)
      }
    },

    async remove(key, signal) {
      signal?.throwIfAborted()
      try {
        await locate(key)
        // A link goes itself, not the file it leads to.
        const dir = await realpath(dirname(join(root, key)))
        const path = join(dir, basename(key))
        if (inside(path, await folder()) && !(await lstat(path)).isDirectory()) await rm(path, { force: true })
      } catch (error) {
        const fault = error instanceof SluiceError ? error : diskError(error)
        if (fault.code !== 'OBJECT_MISSING') throw fault
      }
    },

    close() {},
  }
}

function inside(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

async function resolvePath(path: string, missing: 'OBJECT_MISSING' | 'LOCAL_PATH_MISSING'): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    throw diskError(error, missing)
  }
}

/** Creates the folder `dir` and returns its real path. Nothing is created where a link on the way leaves `folder`. */
async function makeFolder(dir: string, folder: string): Promise<string> {
  let existing: string | undefined
  for (let at = dir; existing === undefined; at = dirname(at)) existing = await realpath(at).catch(() => undefined)
  if (existing !== folder && !inside(existing, folder)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
  await mkdir(dir, { recursive: true })
  const real = await realpath(dir)
  if (real !== folder && !inside(real, folder)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
  return real
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // The path is already real: a link put there since then is refused. A pipe without a writer must not block.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw diskError(error)
  }
}

/** A body that is there already, since a stream of the file's own costs more than reading so little. Closes the file. */
async function readSlice(file: FileHandle, start: number, length: number): Promise<Readable> {
  const bytes = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, start + filled).catch((error) => {
      throw diskError(error)
    })
    if (bytesRead === 0) break
    filled += bytesRead
  }
  await file.close()
  const body = new Readable({ read() {} })
  if (filled > 0) body.push(bytes.subarray(0, filled))
  body.push(null)
  return body
}

function diskError(error: unknown, missing: 'OBJECT_MISSING' | 'LOCAL_PATH_MISSING' = 'OBJECT_MISSING'): SluiceError {
  const code = (error as NodeJS.ErrnoException).code
  const options = { cause: error }
  // ENXIO: a socket.
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO'].includes(code ?? '')) {
    return new SluiceError(missing, undefined, options)
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return new SluiceError('DENIED', undefined, options)
  return new SluiceError('UNREACHABLE', 'The disk reports an error.', options)
}

function writeError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  const code = (error as NodeJS.ErrnoException).code
  const options = { cause: error }
  if (code === 'ENAMETOOLONG') return new SluiceError('KEY_TOO_LONG', 'The name is too long for the disk.', options)
  if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR') {
    return new SluiceError('DENIED', 'Another file or folder is in the way.', options)
  }
  return diskError(error)
}

function identity(stats: Stats): { etag: string; lastModified: Date } {
  const version = `${stats.ino.toString(16)}-${stats.size.toString(16)}-${Math.trunc(stats.mtimeMs * 1000).toString(16)}`
  return { etag: `"${version}"`, lastModified: stats.mtime }
}
