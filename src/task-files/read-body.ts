import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import { PacedBody } from '../providers/kit/paced.ts'
import { networkError } from '../providers/network-error.ts'
import type { ObjectBody } from '../providers/provider.ts'
import { codeOf, toError } from '../unknown.ts'

type Body = Pick<ObjectBody, 'body' | 'length'>

/** Node's timers fire at once beyond this, https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const longestTimerMs = 2 ** 31 - 1

/** How long the bytes of a body may be waited for in all: a minute, and longer by a second for each 1,000 bytes that came. */
const patienceMs = (bytes: number) => Math.min(60_000 + bytes, longestTimerMs)

/**
 * Destroys a body after some time, unless the returned function is called before. A body that waits for the limit of its storage
 * is not late.
 */
function whenLate(body: Readable, ms: number): () => void {
  const end = () => {
    if (body instanceof PacedBody && body.isWaiting) timer = setTimeout(end, pacedMs)
    else body.destroy(new SluiceError('TIMEOUT'))
  }
  let timer = setTimeout(end, ms)
  return () => clearTimeout(timer)
}

/** How long a body that waited for its limit may take from then on. */
const pacedMs = 10_000

/** How often a body that broke off is opened again without a byte in between. */
const fruitlessTries = 3

/** How the bytes of a body are read. */
interface BodyReading {
  countRead: (bytes: number) => void
  /** Opens what follows the first `seen` bytes, of the same version, see `readRest`. */
  reopen: (seen: number) => Promise<Readable>
}

/**
 * The bytes of a body, each once and in their order, of which `seenBefore` were read before. A body that breaks off or ends early
 * is continued by `reopen`; if it cannot be, the generator throws BODY_CUT or what `reopen` rejects with. One that has more
 * bytes than announced is BODY_CUT; one that hardly moves is TIMEOUT. Leaving it frees the socket.
 */
export async function* bodyChunks(
  { body, length }: Body,
  { countRead, reopen }: BodyReading,
  seenBefore = 0,
): AsyncGenerator<Buffer> {
  let seen = seenBefore
  let current = body
  let waitedMs = 0
  /** The next chunk of the current body; undefined at its end. */
  const take = async (chunks: AsyncIterator<Buffer>): Promise<Buffer | undefined> => {
    const requested = performance.now()
    const stop = whenLate(current, patienceMs(seen) - waitedMs)
    const next = await chunks.next().finally(stop)
    waitedMs += performance.now() - requested
    return next.done ? undefined : next.value
  }
  try {
    for (let fruitless = 0; ; fruitless++) {
      const before = seen
      let fault: Error = new SluiceError('BODY_CUT')
      try {
        const chunks = current[Symbol.asyncIterator]()
        for (let chunk = await take(chunks); chunk; chunk = await take(chunks)) {
          seen += chunk.length
          if (seen > length) throw tooLong()
          yield chunk
        }
      } catch (error) {
        fault = brokenOff(error)
      }
      if (seen === length) return
      if (seen > before) fruitless = 0
      if (!isCut(fault) || fruitless >= fruitlessTries) throw fault
      current.destroy()
      current = await reopen(seen)
    }
  } finally {
    current.destroy()
    countRead(seen - seenBefore)
  }
}

const tooManyBytes = 'The object has more bytes than the storage announced.'
const tooLong = () => new SluiceError('BODY_CUT', tooManyBytes)

/** Whether the rest can be read. A body that is too long is not what the storage says that it is. */
const isCut = (error: unknown) =>
  error instanceof SluiceError && error.code === 'BODY_CUT' && error.message !== tooManyBytes

/** A body in one piece, continued as `bodyChunks` does; with the `fault` that ended it, the bytes before that. */
export async function readWhole(opened: Body, reading: BodyReading): Promise<{ bytes: Buffer; fault?: Error }> {
  const first = await readOnce(opened, reading.countRead)
  if (!isCut(first.fault)) return first
  const parts = [first.bytes]
  try {
    const rest = { body: await reading.reopen(first.bytes.length), length: opened.length }
    for await (const chunk of bodyChunks(rest, reading, first.bytes.length)) parts.push(chunk)
    return { bytes: Buffer.concat(parts) }
  } catch (error) {
    return { bytes: Buffer.concat(parts), fault: toError(error) }
  }
}

/** Without a promise for each chunk, which costs more than the bytes of a small body. */
function readOnce(
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
      stop()
      countRead(seen)
      resolve({ bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts, seen), ...(fault && { fault }) })
    }
    const stop = whenLate(body, patienceMs(length))
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
    // A body that broke off before, or was destroyed without an error, emits no further event.
    const gone = () => done(body.errored ? brokenOff(body.errored) : new SluiceError('BODY_CUT'))
    if (body.destroyed) gone()
    else body.once('close', gone)
  })
}

function brokenOff(error: unknown): Error {
  const isNetwork = networkError(error) || codeOf(error) !== undefined
  return isNetwork && !(error instanceof SluiceError)
    ? new SluiceError('BODY_CUT', undefined, { cause: error })
    : toError(error)
}
