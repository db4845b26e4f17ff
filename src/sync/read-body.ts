import { SluiceError } from '../errors.ts'
import { networkError } from '../providers/network-error.ts'
import type { ObjectBody } from '../providers/provider.ts'

type Body = Pick<ObjectBody, 'body' | 'length'>

/** How long the bytes of a body may be waited for in all: a minute, and longer by a second for each KiB that came. */
const patienceMs = (bytes: number) => 60_000 + bytes

const tooLong = () => new SluiceError('BODY_CUT', 'The object has more bytes than the storage announced.')

/**
 * The bytes of a body. One that ends early, breaks off, or has more bytes than announced is BODY_CUT; one that hardly moves is
 * TIMEOUT. Leaving it frees the socket.
 */
export async function* bodyChunks({ body, length }: Body, countRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  let seen = 0
  try {
    let waitedMs = 0
    for (const chunks = body[Symbol.asyncIterator](); ; ) {
      const asked = performance.now()
      const late = setTimeout(() => body.destroy(new SluiceError('TIMEOUT')), patienceMs(seen) - waitedMs)
      const next = await chunks.next().finally(() => clearTimeout(late))
      if (next.done) break
      waitedMs += performance.now() - asked
      seen += next.value.length
      if (seen > length) throw tooLong()
      yield next.value
    }
  } catch (error) {
    throw brokenOff(error)
  } finally {
    body.destroy()
    countRead(seen)
  }
  if (seen < length) throw new SluiceError('BODY_CUT')
}

/** A body in one piece; with a `fault`, as `bodyChunks` has it, what came of it before that. */
export function readWhole(
  { body, length }: Body,
  countRead: (bytes: number) => void,
): Promise<{ bytes: Buffer; fault?: Error }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let seen = 0
    let isDone = false
    const done = (fault?: Error) => {
      if (isDone) return
      isDone = true
      clearTimeout(late)
      countRead(seen)
      resolve({ bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts, seen), ...(fault && { fault }) })
    }
    const late = setTimeout(() => body.destroy(new SluiceError('TIMEOUT')), patienceMs(length))
    body.on('data', (part: Buffer) => {
      seen += part.length
      if (seen > length) body.destroy(tooLong())
      else parts.push(part)
    })
    body.once('end', () => done(seen < length ? new SluiceError('BODY_CUT') : undefined))
    body.once('error', (error) => {
      body.destroy()
      done(brokenOff(error))
    })
    // One that broke off before this, or is given up without a word, tells no more of it.
    const gone = () => done(body.errored ? brokenOff(body.errored) : new SluiceError('BODY_CUT'))
    if (body.destroyed) gone()
    else body.once('close', gone)
  })
}

function brokenOff(error: unknown): Error {
  const isNetwork = networkError(error) || (error as { code?: string }).code !== undefined
  return isNetwork && !(error instanceof SluiceError)
    ? new SluiceError('BODY_CUT', undefined, { cause: error })
    : (error as Error)
}
