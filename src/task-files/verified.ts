import { SluiceError } from '../errors.ts'
import { type Checksum, createDigest, hasChecksum } from '../providers/checksum.ts'
import type { ObjectBody } from '../providers/provider.ts'
import { openSpool } from './spool.ts'

// As often as a body that breaks off.
const maxReads = 3

/** A body in one piece, whose bytes have their checksum; read again if they do not. */
export async function readVerified(
  checksum: Checksum,
  read: (attempt: number) => Promise<{ bytes: Buffer; fault?: Error }>,
): Promise<{ bytes: Buffer }> {
  for (let attempt = 1; attempt <= maxReads; attempt++) {
    const { bytes, fault } = await read(attempt)
    // Of a part nobody knows whether it is right.
    if (fault) throw fault
    if (await hasChecksum(bytes, checksum)) return { bytes }
  }
  throw new SluiceError('CHECKSUM_MISMATCH')
}

/**
 * The bytes of a body that have their checksum; read again if they do not. They wait in a file in `folder` until all have come.
 * Without a folder, or room in it, they are given as they come, and the end throws CHECKSUM_MISMATCH.
 */
export async function* verifiedChunks(
  checksum: Checksum,
  { read, folder }: { read: (attempt: number) => Promise<AsyncGenerator<Buffer>>; folder: string | undefined },
): AsyncGenerator<Buffer> {
  for (let attempt = 1; attempt <= maxReads; attempt++) {
    const digest = await createDigest(checksum.algorithm)
    const chunks = await read(attempt)
    const spool = folder === undefined ? undefined : await openSpool(folder)
    let isHeld = spool !== undefined
    try {
      for await (const chunk of chunks) {
        digest.update(chunk)
        if (!isHeld) yield chunk
        else if (!(await spool!.add(chunk))) {
          isHeld = false
          yield* spool!.read()
        }
      }
      if (await digest.matches(checksum.value)) {
        if (isHeld) yield* spool!.read()
        return
      }
      if (!isHeld) break
    } finally {
      await spool?.close()
    }
  }
  throw new SluiceError('CHECKSUM_MISMATCH')
}

/** The checksum of all bytes of a body; undefined for a part of an object, or where the storage gives none. */
export const checksumOf = ({ range, checksum }: Pick<ObjectBody, 'range' | 'checksum'>): Checksum | undefined =>
  range ? undefined : checksum?.()
