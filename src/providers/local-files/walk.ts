import { randomUUID } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { compareKeys } from '../key-order.ts'

/** A name found by `walk`: that of a file, or of something else that is no folder. */
export interface FoundFile {
  key: string
  path: string
}

const unfinished = /^\.sluice-[0-9a-f-]{36}\.part$/

/** A name for a file that is being written, which `walk` passes over. */
export const unfinishedName = () => `.sluice-${randomUUID()}.part`

/**
 * Every name below `folder`, a real path, in the byte order of full keys; a key is `prefix` and the path inside the folder.
 * Starts behind the key `after` without entering folders that lie before it. Symbolic links are followed as long as they
 * stay inside the folder and lead into no circle; others are passed over.
 */
export async function* walk(options: {
  folder: string
  prefix: string
  after: string | null
  recursive: boolean
}): AsyncGenerator<FoundFile> {
  const { folder, prefix, after, recursive } = options
  yield* visit(folder, prefix, [folder])

  async function* visit(dir: string, prefixOfDir: string, trail: string[]): AsyncGenerator<FoundFile> {
    for (const { name, key, isFolder, isLink } of await entriesOf(dir, prefixOfDir)) {
      const path = join(dir, name)
      if (!isFolder) {
        if (unfinished.test(name)) continue
        if (after !== null && compareKeys(key, after) <= 0) continue
        if (isLink && !(await target(path))) continue
        yield { key, path }
      } else if (recursive && (after === null || compareKeys(key, after) > 0 || after.startsWith(key))) {
        const real = isLink ? await target(path) : path
        if (real && !trail.includes(real)) yield* visit(real, key, [...trail, real])
      }
    }
  }

  /** Where a link leads; undefined when that is outside of the folder or nowhere. */
  async function target(path: string): Promise<string | undefined> {
    const real = await realpath(path).catch(() => undefined)
    return real?.startsWith(folder + sep) ? real : undefined
  }
}

/** Sorted as their keys sort: a folder's name counts with its `/`, since all keys below it go on so. */
async function entriesOf(dir: string, prefix: string) {
  const found: Dirent[] = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  const entries = await Promise.all(
    found.map(async (entry) => {
      const isFolder = entry.isSymbolicLink()
        ? await stat(join(dir, entry.name)).then(
            (s) => s.isDirectory(),
            () => false,
          )
        : entry.isDirectory()
      const key = prefix + entry.name + (isFolder ? '/' : '')
      return { name: entry.name, key, isFolder, isLink: entry.isSymbolicLink() }
    }),
  )
  return entries.sort((a, b) => compareKeys(a.key, b.key))
}
