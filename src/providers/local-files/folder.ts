import type { Stats } from 'node:fs'
import { lstat, mkdir, open, opendir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize, resolve, sep } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { codeOf } from '../../unknown.ts'
import { absoluteRange } from '../absolute-range.ts'
import { contentTypeOf } from '../content-type.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { textKey } from '../key-bytes.ts'
import type { ByteRange, ListGap, ListPage, ObjectBody, ObjectInfo, Provider } from '../provider.ts'
import { diskError, gapError, writeError } from './disk-error.ts'
import type { LocalFilesLocation } from './location.ts'
import { bodyOfFile, closeFile, type OpenFile, openFile, realPathOf } from './open-file.ts'
import { pausedWalks } from './paused-walks.ts'
import { type FoundFile, unfinishedName, walk } from './walk.ts'

// Keeps the threads of the process busy. More calls at once, such as a whole page, would delay all other file access.
const statsAtOnce = 32

/** Opens a folder below `root`. Checks real paths, so no path and no symbolic link can leave the folder. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods of a provider share its folder, and each is short
export async function openLocalFolder({ path }: LocalFilesLocation, root: string | undefined): Promise<Provider> {
  if (root === undefined) throw new SluiceError('LOCAL_FILES_DISABLED')
  const base = resolve(root)
  const below = base.endsWith(sep) ? base : base + sep
  const wanted = resolve(base, path)
  if (wanted !== base && !inside(wanted, base)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')

  const lookUp = async (): Promise<string> => {
    const target = resolvePath(wanted, missingMessage(path))
    target.catch(() => {})
    // Without the root there is no folder either, so errors of the root are reported first.
    const realRoot = await resolvePath(base, rootMissing)
    const real = await target
    if (real === realRoot) throw new SluiceError('LOCAL_PATH_IS_ROOT')
    if (!inside(real, realRoot)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
    return real
  }
  let looking: Promise<string> | undefined
  /** The folder's real path. Every call resolves it again, because links can change. Concurrent calls share the result. */
  const folder = (): Promise<string> => {
    looking ??= lookUp().finally(() => {
      looking = undefined
    })
    return looking
  }

  /** The path of the object `key` below the root. Does not resolve links. */
  const pathOf = (key: string): string => {
    const path = below + textKey(key)
    // Paths that are not normalized, such as `a/../b`, `a//b` or `b/`, are other keys, which no file has.
    if (key.includes('\0') || key.endsWith('/') || normalize(key) !== key || !inside(path, wanted)) {
      throw new SluiceError('OBJECT_MISSING')
    }
    return path
  }

  const openObject = async (key: string): Promise<OpenFile> => {
    const path = pathOf(key)
    const file = await openFile(path)
    try {
      const real = file.real ?? (await realPathOf(file, path))
      // If the path of the file contains no link, the path of the folder contains none either.
      const isPlain = real === path && wanted !== base
      if (!isPlain && !(real && inside(real, await folder()))) throw new SluiceError('OBJECT_MISSING')
      return file
    } catch (error) {
      closeFile(file.fd)
      throw error
    }
  }

  const tryToOpen = (key: string): Promise<OpenFile> =>
    openObject(key).catch(async (error) => {
      // Errors of the folder are reported first.
      await folder()
      throw error instanceof SluiceError ? error : diskError(error)
    })

  const paused = pausedWalks()

  return {
    ordered: true,
    keyCursor: true,

    async check(signal) {
      signal?.throwIfAborted()
      const real = await folder()
      try {
        if (!(await stat(real)).isDirectory()) throw new SluiceError('LOCAL_PATH_MISSING', 'The path is not a folder.')
        await (await opendir(real)).close()
      } catch (error) {
        throw error instanceof SluiceError ? error : diskError(error, 'LOCAL_PATH_MISSING')
      }
    },

    async list({ cursor, limit, recursive, signal }) {
      const real = await folder()
      const files =
        paused.take(cursor, recursive) ?? walk({ folder: real, prefix: `${path}/`, after: cursor, recursive })
      const objects: ObjectInfo[] = []
      const gaps = new Map<string, ListGap>()
      const pageOf = (cursor: string | null): ListPage => ({
        ...{ objects, cursor },
        ...(gaps.size > 0 && { gaps: [...gaps.values()] }),
      })
      let last = ''
      for (let done = false; objects.length + gaps.size < limit; ) {
        signal?.throwIfAborted()
        if (done) return pageOf(null)
        const some: (FoundFile | ListGap)[] = []
        while (!done && some.length < Math.min(limit - objects.length - gaps.size, statsAtOnce)) {
          const found = await files.next()
          if (found.done) done = true
          else some.push(found.value)
        }
        last = some.at(-1)?.key ?? last
        for (const found of await Promise.all(some.map(lookAt))) {
          if (found && 'error' in found) gaps.set(found.key, found)
          else if (found) objects.push(found)
        }
      }
      paused.keep(last, recursive, files)
      return pageOf(last)
    },

    async read(key, { range, ifMatch, signal } = {}) {
      signal?.throwIfAborted()
      const file = await tryToOpen(key)
      let about: Omit<ObjectBody, 'body'>
      try {
        if (!file.stats.isFile()) throw new SluiceError('OBJECT_MISSING')
        about = describe(key, file.stats, range)
        if (ifMatch !== undefined && ifMatch !== about.etag) throw new SluiceError('PRECONDITION_FAILED')
        signal?.throwIfAborted()
      } catch (error) {
        closeFile(file.fd)
        throw error
      }
      const body = await bodyOfFile(file, about.range?.start ?? 0, about.length)
      return { body: endOnAbort(body, signal), ...about }
    },

    async head(key, signal) {
      signal?.throwIfAborted()
      const { fd, stats } = await tryToOpen(key)
      closeFile(fd)
      if (!stats.isFile()) throw new SluiceError('OBJECT_MISSING')
      const { size, etag, lastModified, contentType } = describe(key, stats, undefined)
      return { size, etag, lastModified, contentType }
    },

    async write(key, body, { signal } = {}) {
      signal?.throwIfAborted()
      const real = await folder()
      const target = resolve(base, textKey(key))
      if (!inside(target, wanted)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
      try {
        const dir = await makeFolder(dirname(target), real)
        // Writes to another name and renames the file, so that no reader sees an incomplete object.
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
        const real = await folder()
        const path = pathOf(key)
        // Removes a link itself, not its target.
        const [dir, target] = await Promise.all([realpath(dirname(path)), realpath(path)])
        const link = join(dir, basename(path))
        if (!inside(target, real) || !inside(link, real) || (await lstat(link)).isDirectory()) return
        await rm(link, { force: true })
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

/**
 * The real path of a folder.
 * @throws LOCAL_PATH_MISSING with the message `words`, or the error of `diskError`
 */
async function resolvePath(path: string, message: string | undefined): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const fault = diskError(error, 'LOCAL_PATH_MISSING')
    throw fault.code === 'LOCAL_PATH_MISSING' ? new SluiceError(fault.code, message, { cause: error }) : fault
  }
}

const rootMissing = 'The folder of LOCAL_FILES_ROOT does not exist on the server. Its operator must create it.'

/** A message with likely mistakes in a path that does not exist. Undefined if none is visible. */
function missingMessage(path: string): string | undefined {
  const unclearErrors = [
    ...(/(?:^|\/)\s|\s(?:\/|$)/.test(path)
      ? ['A name in this path begins or ends with a space: remove the space unless the folder has it, too.']
      : []),
    ...(path.includes('\\') ? ['Separate folders with "/": a backslash is part of a name.'] : []),
  ]
  return unclearErrors.length === 0 ? undefined : ['The folder does not exist.', ...unclearErrors].join(' ')
}

/** Creates the folder `dir` and returns its real path. Creates nothing if a link in the path leaves `folder`. */
async function makeFolder(dir: string, folder: string): Promise<string> {
  let existing: string | undefined
  for (let at = dir; existing === undefined; at = dirname(at)) existing = await realpath(at).catch(() => undefined)
  if (existing !== folder && !inside(existing, folder)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
  await mkdir(dir, { recursive: true })
  const real = await realpath(dir)
  if (real !== folder && !inside(real, folder)) throw new SluiceError('LOCAL_PATH_OUTSIDE_ROOT')
  return real
}

/** Converts a found name to an object. Undefined if it is not a file or no longer exists. Returns gaps unchanged. */
async function lookAt(found: FoundFile | ListGap): Promise<ObjectInfo | ListGap | undefined> {
  if ('error' in found) return found
  const { key, path, isLink } = found
  try {
    const stats = await stat(path)
    return stats.isFile() ? { key, size: stats.size, etag: etagOf(stats), lastModified: stats.mtime } : undefined
  } catch (unknown) {
    // A folder that may be read but not entered shows only names. It is one gap for all of them.
    const isOfFolder = !isLink && codeOf(unknown) === 'EACCES'
    const error = gapError(unknown, isOfFolder ? 'folder' : 'file')
    return error && { key: isOfFolder ? `${dirname(key)}/` : key, error }
  }
}

/** The range and metadata of a read. @throws RANGE_UNSATISFIABLE */
function describe(key: string, stats: Stats, range: ByteRange | undefined): Omit<ObjectBody, 'body'> {
  const part = range && absoluteRange(range, stats.size)
  return {
    length: part ? part.end - part.start + 1 : stats.size,
    size: stats.size,
    ...(part && { range: part }),
    etag: etagOf(stats),
    lastModified: stats.mtime,
    contentType: contentTypeOf(key) ?? null,
  }
}

function etagOf({ ino, size, mtimeMs }: Stats): string {
  return `"${ino.toString(16)}-${size.toString(16)}-${Math.trunc(mtimeMs * 1000).toString(16)}"`
}
