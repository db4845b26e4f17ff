import { createHash } from 'node:crypto'
import { SluiceError } from '../errors.ts'
import { isOutage } from '../providers/outage.ts'

const maxFruitless = 4

/**
 * The bytes of an object without a version, each once. After a break the object is read again from its beginning, and continues
 * if it begins with the bytes that came before.
 * @throws SluiceError PRECONDITION_FAILED if it begins with others; what broke it off, after four breaks without a new byte.
 */
export async function* versionlessChunks(
  open: (attempt: number) => Promise<AsyncGenerator<Buffer>>,
): AsyncGenerator<Buffer> {
  const seen = createHash('sha256')
  let count = 0
  let fruitless = 0
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
      fruitless = count > before ? 1 : fruitless + 1
      if (!isOutage(error) || fruitless >= maxFruitless) throw error
    }
  }
}

const changed = () => new SluiceError('PRECONDITION_FAILED', 'The object was changed while it was read.')
