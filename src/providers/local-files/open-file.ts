import { close, constants, fstat, fstatSync, open, read, readlinkSync, type Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'
import { diskError } from './disk-error.ts'

/** A file that is open for reading. The caller must close it or pass it to `bodyOfFile`. */
export interface OpenFile {
  fd: number
  stats: Stats
  /** The real path. Undefined if the system does not give it; use `realPathOf` then. */
  real: string | undefined
}

// The size of one read of a stream.
const sliceBytes = 64 * 1024

// A pipe without a writer must not block.
const flags = constants.O_RDONLY | constants.O_NONBLOCK

let waiting: (() => void)[] = []

/**
 * Starts a file operation together with the others of this turn of the event loop. A single operation wakes a thread, which
 * costs more CPU time than most operations.
 */
function together(give: () => void): void {
  if (waiting.push(give) > 1) return
  setImmediate(() => {
    const all = waiting
    waiting = []
    for (const one of all) one()
  })
}

// Uses callbacks, because file handles and a promise for each step would double the CPU time of a read.

/**
 * Opens `path` and determines the real path of the open file, so that links that change meanwhile have no effect. Rejects with
 * the error of the disk.
 */
export function openFile(path: string): Promise<OpenFile> {
  return new Promise((resolve, reject) => {
    const opened = (fault: Error | null, fd: number) => {
      if (fault) return reject(fault)
      try {
        // Synchronous, because the system has the data in memory, and an asynchronous call would take longer.
        resolve({ fd, stats: fstatSync(fd), real: pathOfOpen(fd) })
      } catch (unknown) {
        closeFile(fd)
        reject(unknown)
      }
    }
    together(() => open(path, flags, opened))
  })
}

/** The path of an open file, on Linux only (proc(5), "/proc/pid/fd"). Synchronous, because Linux reads it from memory. */
function pathOfOpen(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

/** The real path of `path`. Undefined if another file than the opened one is there now. */
export async function realPathOf({ stats }: OpenFile, path: string): Promise<string | undefined> {
  const real = await realpath(path)
  const { dev, ino } = await stat(real)
  return dev === stats.dev && ino === stats.ino ? real : undefined
}

/** Closes a file that was only read. Does not wait, because no data can be lost. */
export function closeFile(fd: number): void {
  together(() => close(fd, () => {}))
}

/**
 * Returns `length` bytes from `start` as a body, and closes the file in the end. Up to 64 KiB are read at once, because a
 * stream costs more. If the file was written to after it was opened, the body fails before its last bytes.
 * @throws SluiceError PRECONDITION_FAILED if the file was written to (for a large body: as the error of the body); the errors
 * of `diskError`
 */
export async function bodyOfFile(file: OpenFile, start: number, length: number): Promise<Readable> {
  if (length > sliceBytes) return new FileBody(file, start, length)
  try {
    const bytes = length === 0 ? undefined : await readSlice(file.fd, start, length)
    if (wasWritten(file, fstatSync(file.fd))) throw new SluiceError('PRECONDITION_FAILED')
    return new Slice(bytes)
  } catch (error) {
    throw error instanceof SluiceError ? error : diskError(error)
  } finally {
    closeFile(file.fd)
  }
}

const wasWritten = ({ stats }: OpenFile, now: Stats) => now.size !== stats.size || now.mtimeMs !== stats.mtimeMs

/** A body that is read on demand, and not beyond its range, even if the file grows. */
class FileBody extends Readable {
  readonly #file: OpenFile
  readonly #end: number
  #at: number
  #isReading = false
  constructor(file: OpenFile, start: number, length: number) {
    super({ highWaterMark: sliceBytes })
    this.#file = file
    this.#at = start
    this.#end = start + length
  }
  override _read(): void {
    const { fd } = this.#file
    const wanted = Math.min(sliceBytes, this.#end - this.#at)
    // Not from the pool of Node: its slices would keep each other in memory.
    const bytes = Buffer.allocUnsafeSlow(wanted)
    this.#isReading = true
    read(fd, bytes, 0, wanted, this.#at, (fault, count) => {
      this.#at += count
      // More bytes follow. Otherwise this is the end of the range, or the file became shorter.
      if (!fault && count > 0 && this.#at < this.#end) return this.#give(undefined, bytes.subarray(0, count))
      if (fault) return this.#give(fault)
      fstat(fd, (unknown, now) => {
        if (unknown) this.#give(unknown)
        else if (wasWritten(this.#file, now)) this.#give(new SluiceError('PRECONDITION_FAILED'))
        else this.#give(undefined, bytes.subarray(0, count), true)
      })
    })
  }
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // A pending read needs the descriptor: after a close, another file could get its number.
    if (!this.#isReading) closeFile(this.#file.fd)
    callback(error)
  }
  #give(fault: Error | undefined, bytes?: Buffer, isLast = false): void {
    this.#isReading = false
    if (this.destroyed) closeFile(this.#file.fd)
    else if (fault) this.destroy(fault instanceof SluiceError ? fault : diskError(fault))
    else {
      if (bytes!.length > 0) this.push(bytes)
      if (isLast) this.push(null)
    }
  }
}

/** A body of bytes in memory. */
class Slice extends Readable {
  constructor(bytes: Buffer | undefined) {
    super()
    if (bytes && bytes.length > 0) this.push(bytes)
    this.push(null)
  }
  override _read(): void {}
}

/** Reads `length` bytes from `start`, or fewer if the file has become shorter. */
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
    together(() => readOn(0))
  })
}
