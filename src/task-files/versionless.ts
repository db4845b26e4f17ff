import { createHash } from 'node:crypto'
import { SluiceError } from '../errors.ts'
import { isOutage } from '../providers/outage.ts'

const maxIdleBreaks = 4

/**
 * Reads an object without a version. After a broken connection it reads the object again from the start, and continues if the bytes
 * before the break are the same.
 * @throws SluiceError PRECONDITION_FAILED if they differ; the last error after four breaks without a new byte
 */
export async function* versionlessChunks(
  open: (attempt: number) => Promise<AsyncGenerator<Buffer>>,
): AsyncGenerator<Buffer> {
  const seen = createHash('sha256')
  let count = 0
  let idleBreaks = 0
  for (let attempt = 1; ; attempt++) {
    const before = count
    const again = createHash('sha256')
    let skipped = 0
    try {
      for await (const chunk of await open(attempt)) {
        const known = chunk.subarray(0, before - skipped)
        if (known.length > 0) {
          skipped += known.length
          again.update(known)
          if (skipped === before && !again.digest().equals(seen.copy().digest())) throw changed()
        }
        const rest = chunk.subarray(known.length)
        if (rest.length === 0) continue
        seen.update(rest)
        count += rest.length
        yield rest
      }
      return
    } catch (error) {
      idleBreaks = count > before ? 1 : idleBreaks + 1
      if (!isOutage(error) || idleBreaks >= maxIdleBreaks) throw error
    }
  }
}

const changed = () => new SluiceError('PRECONDITION_FAILED', 'The object was changed while it was read.')
