import { randomUUID } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { SluiceError } from '../../errors.ts'
import { textOfKey } from '../key-bytes.ts'
import { compareKeys } from '../key-order.ts'
import type { ListGap } from '../provider.ts'
import { diskError, gapError } from './disk-error.ts'
import { isBelow, isSamePath, type Path, pathIn, pointsBelow, realPath } from './paths.ts'

/** A name found by `walk`: that of a file, or of something else that is no folder. */
export interface FoundFile {
  key: string
  path: Path
  isLink: boolean
}

const unfinished = /^\.sluice-[0-9a-f-]{36}\.part$/

/** A name for a file that is being written, which `walk` passes over. */
export const unfinishedName = () => `.sluice-${randomUUID()}.part`

/**
 * Every name below `folder`, a real path, in the byte order of full keys; a key is `prefix` and the path inside the folder, as
 * `textOfKey` gives it. Starts behind the key `after` without entering folders that lie before it. Symbolic links are followed
 * as long as they stay inside the folder and lead into no circle; others are passed over. What cannot be looked at is a gap.
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
      // A walk that goes on behind a gap has told of it before.
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

  /** Where a link leads; undefined when that is outside of the folder or nowhere; the fault if nobody may know. */
  async function target(link: Path, dir: Path): Promise<Path | SluiceError | undefined> {
    try {
      const real = await realPath(link)
      return isBelow(real, folder) ? real : undefined
    } catch (error) {
      // Nothing is told of links that say themselves that they leave the folder.
      const fault = gapError(error, 'file')
      return fault && (await pointsBelow(link, dir, folder)) ? fault : undefined
    }
  }
}

/** Sorted as their keys sort: a folder's name counts with its `/`, since all keys below it go on so. */
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

/** The names in a folder. Names that are not UTF-8 show as U+FFFD when text is asked for, which is faster. */
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
