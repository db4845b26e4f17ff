import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'

const writeBytes = 512 * 2 ** 10
const readBytes = 256 * 2 ** 10

/** Bytes that wait on the disk until their checksum is verified. */
interface Spool {
  /** Adds a chunk. False if it cannot be written; `read` still returns all chunks, this one included. */
  add(chunk: Buffer): Promise<boolean>
  /** All bytes, in their order. */
  read(): AsyncGenerator<Buffer>
  close(): Promise<void>
}

/** Opens a spool in `folder`. Its file has no name, so a crash leaves nothing. Undefined if the file cannot be created. */
export async function openSpool(folder: string): Promise<Spool | undefined> {
  const file = await openNameless(folder).catch(() => undefined)
  if (!file) return undefined
  let pending: Buffer[] = []
  let pendingBytes = 0
  let written = 0
  return {
    async add(chunk) {
      pending.push(chunk)
      pendingBytes += chunk.length
      if (pendingBytes < writeBytes) return true
      try {
        const { bytesWritten } = await file.writev(pending, written)
        if (bytesWritten !== pendingBytes) return false
      } catch {
        return false
      }
      written += pendingBytes
      pending = []
      pendingBytes = 0
      return true
    },
    async *read() {
      for (let at = 0; at < written; ) {
        // A new buffer each time, because the splitter may retain chunks.
        const chunk = Buffer.allocUnsafeSlow(Math.min(readBytes, written - at))
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
        if (bytesRead === 0) throw new Error('The spool file has become shorter.')
        at += bytesRead
        yield chunk.subarray(0, bytesRead)
      }
      yield* pending
    },
    close: () => file.close(),
  }
}

async function openNameless(folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, randomUUID())
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
