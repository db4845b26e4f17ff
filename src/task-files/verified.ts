import { SluiceError } from '../errors.ts'
import { type Checksum, createDigest, hasChecksum } from '../providers/checksum.ts'
import type { ObjectBody } from '../providers/provider.ts'
import { openSpool } from './spool.ts'

// As often as a body that breaks off.
const maxReads = 3

/** Reads a body in one piece and verifies its checksum; on a mismatch it reads again. */
export async function readVerified(
  checksum: Checksum,
  read: (attempt: number) => Promise<{ bytes: Buffer; fault?: Error }>,
): Promise<{ bytes: Buffer }> {
  for (let attempt = 1; attempt <= maxReads; attempt++) {
    const { bytes, fault } = await read(attempt)
    // The checksum says nothing about a part of the body.
    if (fault) throw fault
    if (await hasChecksum(bytes, checksum)) return { bytes }
  }
  throw new SluiceError('CHECKSUM_MISMATCH')
}

/**
 * Reads a body and verifies its checksum before it yields the first byte; on a mismatch it reads again. The bytes wait in a file in
 * `folder`. Without a folder, or space in it, it yields unverified bytes and throws CHECKSUM_MISMATCH at the end.
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

/** The checksum of a whole body; undefined for a part of an object, or if the storage sends none. */
export const checksumOf = ({ range, checksum }: Pick<ObjectBody, 'range' | 'checksum'>): Checksum | undefined =>
  range ? undefined : checksum?.()
