import { close, constants, fstat, fstatSync, open, read, readlinkSync, type Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { SluiceError } from '../../errors.ts'
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

let waiting: (() => void)[] = []

/**
 * Gives a job to the threads of the process together with the others of this turn: each that is given alone wakes a thread,
 * which costs more of the processor than most jobs do.
 */
function together(give: () => void): void {
  if (waiting.push(give) > 1) return
  setImmediate(() => {
    const all = waiting
    waiting = []
    for (const one of all) one()
  })
}

// By callbacks, since file handles and promises for each step take as much processor time again as the reading itself.

/**
 * Opens what is at `path`, and asks the open file where it really is, so that links which are changed meanwhile make no
 * difference. Rejects with the error of the disk.
 */
export function openFile(path: string): Promise<OpenFile> {
  return new Promise((resolve, reject) => {
    const opened = (fault: Error | null, fd: number) => {
      if (fault) return reject(fault)
      try {
        // The system has just looked it up: to wait for it would take longer.
        resolve({ fd, stats: fstatSync(fd), real: pathOfOpen(fd) })
      } catch (unknown) {
        closeFile(fd)
        reject(unknown)
      }
    }
    together(() => open(path, flags, opened))
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
  together(() => close(fd, () => {}))
}

/**
 * The bytes from `start` on. The body closes the file; a small one is there already, since a stream costs more than reading
 * it. One whose file was written to since it was opened breaks off before its last bytes.
 * @throws SluiceError PRECONDITION_FAILED when it was written to, here or, where it is large, as the body's error; as `diskError`
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

/** A body that is read as it is wanted, never past what was asked for, however the file grows. */
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
    // A pool's slices would hold one another in memory.
    const bytes = Buffer.allocUnsafeSlow(wanted)
    this.#isReading = true
    read(fd, bytes, 0, wanted, this.#at, (fault, count) => {
      this.#at += count
      // At its end as it was, or as it is now.
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
    // The number of a closed file may be that of another one before the read comes to it.
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
    together(() => readOn(0))
  })
}
