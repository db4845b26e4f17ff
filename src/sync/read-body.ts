import { SluiceError } from '../errors.ts'
import { networkError } from '../providers/network-error.ts'
import type { ObjectBody } from '../providers/provider.ts'

type Body = Pick<ObjectBody, 'body' | 'length'>

/** The bytes of a body. One that ends early, or breaks off, is BODY_CUT. Leaving it frees the socket. */
export async function* bodyChunks({ body, length }: Body, countRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  let seen = 0
  try {
    for await (const chunk of body) {
      seen += chunk.length
      yield chunk
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
      countRead(seen)
      resolve({ bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts, seen), ...(fault && { fault }) })
    }
    body.on('data', (part: Buffer) => {
      parts.push(part)
      seen += part.length
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
