import { randomUUID } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { SluiceError } from '../../errors.ts'
import { textOfKey } from '../key-bytes.ts'
import { compareKeys } from '../key-order.ts'
import type { ListGap } from '../provider.ts'
import { diskError, gapError } from './disk-error.ts'
import { isBelow, isSamePath, type Path, pathIn, pointsBelow, realPath } from './paths.ts'

/** A name found by `walk`: a file, or something else that is not a folder. */
export interface FoundFile {
  key: string
  path: Path
  isLink: boolean
}

const unfinished = /^\.sluice-[0-9a-f-]{36}\.part$/

/** A name for a file that is being written. `walk` skips such names. */
export const unfinishedName = () => `.sluice-${randomUUID()}.part`

/**
 * Yields every name below `folder`, a real path, in the byte order of the full keys. A key is `prefix` and the path inside the
 * folder, as `textOfKey` returns it. Starts after the key `after` and does not enter folders before it. Follows symbolic links
 * that stay inside the folder and make no cycle; skips other links. A folder or file that cannot be examined is a gap.
 * @throws SluiceError if the folder itself cannot be read.
 */
export async function* walk(options: {
  folder: string
  prefix: string
  after: string | null
  recursive: boolean
}): AsyncGenerator<FoundFile | ListGap> {
  const { folder, prefix, after, recursive } = options
  yield* visit(folder, prefix, [folder])

  async function* visit(dir: Path, prefixOfDir: string, trail: Path[]): AsyncGenerator<FoundFile | ListGap> {
    const entries = await entriesOf(dir, prefixOfDir).catch((error) => {
      if (prefixOfDir === prefix) throw diskError(error, 'LOCAL_PATH_MISSING')
      return gapError(error, 'folder')
    })
    if (!Array.isArray(entries)) {
      // A walk that continues after a gap has already reported it.
      if (entries && prefixOfDir !== after) yield { key: prefixOfDir, error: entries }
      return
    }
    for (const { name, key, isFolder, isLink } of entries) {
      const path = pathIn(dir, name)
      if (!isFolder) {
        if (unfinished.test(name)) continue
        if (after !== null && compareKeys(key, after) <= 0) continue
        const found = isLink ? await target(path, dir) : path
        if (found instanceof SluiceError) yield { key, error: found }
        else if (found) yield { key, path, isLink }
      } else if (recursive && (after === null || compareKeys(key, after) > 0 || after.startsWith(key))) {
        const real = isLink ? await target(path, dir) : path
        if (real instanceof SluiceError) yield { key, error: real }
        else if (real && !trail.some((one) => isSamePath(one, real))) yield* visit(real, key, [...trail, real])
      }
    }
  }

  /** The target of a link. Undefined if it is outside of the folder or does not exist. An error if it cannot be resolved. */
  async function target(link: Path, dir: Path): Promise<Path | SluiceError | undefined> {
    try {
      const real = await realPath(link)
      return isBelow(real, folder) ? real : undefined
    } catch (error) {
      // Links whose text points out of the folder are not reported.
      const fault = gapError(error, 'file')
      return fault && (await pointsBelow(link, dir, folder)) ? fault : undefined
    }
  }
}

/** The entries of a folder in the order of their keys. A folder sorts with its `/`, because all keys below it contain it. */
async function entriesOf(dir: Path, prefix: string) {
  const entries = await Promise.all(
    (await namesIn(dir)).map(async ({ name, isDirectory, isLink }) => {
      const isFolder = isLink
        ? await stat(pathIn(dir, name)).then(
            (s) => s.isDirectory(),
            () => false,
          )
        : isDirectory
      return { name, key: prefix + name + (isFolder ? '/' : ''), isFolder, isLink }
    }),
  )
  return entries.sort((a, b) => compareKeys(a.key, b.key))
}

/**
 * The names in a folder. Reads them as text first, which is faster. Invalid UTF-8 appears there as U+FFFD; the names are then
 * read as bytes.
 */
async function namesIn(dir: Path): Promise<{ name: string; isDirectory: boolean; isLink: boolean }[]> {
  const found = await readdir(dir, { withFileTypes: true })
  if (!found.some(({ name }) => name.includes('\ufffd'))) {
    return found.map((entry) => ({
      ...{ name: entry.name, isDirectory: entry.isDirectory(), isLink: entry.isSymbolicLink() },
    }))
  }
  const exact = await readdir(dir, { withFileTypes: true, encoding: 'buffer' })
  return exact.map((entry) => ({
    ...{ name: textOfKey(entry.name), isDirectory: entry.isDirectory(), isLink: entry.isSymbolicLink() },
  }))
}
