import { close, constants, createReadStream, fstat, open, read, readlinkSync, type Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { diskError } from './disk-error.ts'

/** A file that is open for reading. Whoever has it closes it, or makes it a body. */
export interface OpenFile {
  fd: number
  stats: Stats
  /** Where it really is; undefined where only `realPathOf` can tell. */
  real: string | undefined
}

// What a stream would read at once.
const sliceBytes = 64 * 1024

// A pipe without a writer must not block.
const flags = constants.O_RDONLY | constants.O_NONBLOCK

// By callbacks, since file handles and promises for each step take as much processor time again as the reading itself.

/**
 * Opens what is at `path`, and asks the open file where it really is, so that links which are changed meanwhile make no
 * difference. Rejects with the error of the disk.
 */
export function openFile(path: string): Promise<OpenFile> {
  return new Promise((resolve, reject) => {
    open(path, flags, (fault, fd) => {
      if (fault) return reject(fault)
      fstat(fd, (unknown, stats) => {
        if (!unknown) return resolve({ fd, stats, real: pathOfOpen(fd) })
        closeFile(fd)
        reject(unknown)
      })
    })
  })
}

/** Linux tells it (proc(5), "/proc/pid/fd"), from memory, so it need not be waited for. */
function pathOfOpen(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

/** The real path of `path`, where the very file that was opened is still there; else undefined. */
export async function realPathOf({ stats }: OpenFile, path: string): Promise<string | undefined> {
  const real = await realpath(path)
  const { dev, ino } = await stat(real)
  return dev === stats.dev && ino === stats.ino ? real : undefined
}

/** Closes a file that was only read: nothing can be lost, so nobody waits. */
export function closeFile(fd: number): void {
  close(fd, () => {})
}

/** The bytes from `start` on. The body closes the file; a small one is there already, since a stream costs more than reading it. */
export async function bodyOfFile(fd: number, start: number, length: number): Promise<Readable> {
  if (length > sliceBytes) return createReadStream('', { fd, start, end: start + length - 1 })
  try {
    return new Slice(length === 0 ? undefined : await readSlice(fd, start, length))
  } catch (error) {
    throw diskError(error)
  } finally {
    closeFile(fd)
  }
}

/** A body of bytes that are there. */
class Slice extends Readable {
  constructor(bytes: Buffer | undefined) {
    super()
    if (bytes && bytes.length > 0) this.push(bytes)
    this.push(null)
  }
  override _read(): void {}
}

/** Fewer bytes than `length` where the file has become shorter. */
function readSlice(fd: number, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  return new Promise((resolve, reject) => {
    const readOn = (filled: number) =>
      read(fd, bytes, filled, length - filled, start + filled, (fault, count) => {
        if (fault) reject(fault)
        else if (count === 0) resolve(bytes.subarray(0, filled))
        else if (filled + count < length) readOn(filled + count)
        else resolve(bytes)
      })
    readOn(0)
  })
}
