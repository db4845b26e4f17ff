import { readlink, realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { bytesOfKey, textOfKey } from '../key-bytes.ts'

/** A path. File names are bytes. A path that is not UTF-8 must be passed to the system as bytes. */
export type Path = string | Buffer

/** The path of `name` in the folder `dir`. `name` is as `textOfKey` returns it. */
export function pathIn(dir: Path, name: string): Path {
  if (typeof dir === 'string' && name.isWellFormed()) return join(dir, name)
  return Buffer.concat([typeof dir === 'string' ? Buffer.from(dir) : dir, Buffer.from(sep), bytesOfKey(name)])
}

/** The real path, as text if it is UTF-8. Rejects with the error of the disk. */
export async function realPath(path: Path): Promise<Path> {
  const bytes = await realpath(path, { encoding: 'buffer' })
  const text = textOfKey(bytes)
  return text.isWellFormed() ? text : bytes
}

/** Whether `path` lies below `folder`. */
export function isBelow(path: Path, folder: string): boolean {
  const start = folder.endsWith(sep) ? folder : folder + sep
  if (typeof path === 'string') return path.startsWith(start)
  const bytes = Buffer.from(start)
  return path.subarray(0, bytes.length).equals(bytes)
}

/** Whether two real paths are the same. */
export const isSamePath = (a: Path, b: Path): boolean =>
  typeof a === 'string' || typeof b === 'string' ? a === b : a.equals(b)

/** Whether the text of a link in `dir` points below `folder`. Its target may have further links. */
export async function pointsBelow(link: Path, dir: Path, folder: string): Promise<boolean> {
  if (typeof dir !== 'string') return false
  const target = await readlink(link).catch(() => undefined)
  return target !== undefined && isBelow(resolve(dir, target), folder)
}
