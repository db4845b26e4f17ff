import type { Duplex } from 'node:stream'
import { SluiceError } from '../../errors.ts'
import { toError } from '../../unknown.ts'

/** Limits for one reply. */
const limits = {
  /** A slice of a value has 256 KiB, and a step of SCAN returns a few thousand keys. */
  bytes: 4 * 1024 * 1024,
  lineBytes: 64 * 1024,
  elements: 20_000,
  /** EXEC returns one array, SCAN two. */
  arrays: 16,
}

const lf = 10
// The client's decoder ends a line at any CR, reads four bytes for a null, and does not check digits. This class refuses every
// line that the decoder could read differently.
const wholeLine = /^[^\r\n]*\r\n$/
const lengthOrNull = /^(?:-1|\d{1,10})$/

/**
 * Checks the replies of a server (RESP2, redis.io "Redis serialization protocol") before the client's parser gets them. That
 * parser allocates any length that a reply announces, and buffers everything that arrives. Call `take` with each chunk.
 */
export class ReplyLimits {
  /** Remaining bytes of a string, including its line end. */
  #skip = 0
  /** The start of a line whose end has not arrived. */
  #line = ''
  /** Number of replies that end in the current chunk. */
  #ended = 0
  /** Whether the peer does not speak RESP. */
  #isForeign = false
  #bytes = 0
  #arrays = 0
  #elements = 0
  /** Number of values that are missing from the current reply. */
  #left = 1

  /**
   * Checks a chunk, and returns the number of replies that end in it.
   * @throws SluiceError REMOTE_RESPONSE_TOO_LARGE; UNEXPECTED_ANSWER for RESP3, which we did not request, and for malformed
   * lines.
   */
  take(chunk: Buffer): number {
    let at = 0
    this.#ended = 0
    while (at < chunk.length && !this.#isForeign) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#count(step)
        this.#skip -= step
        at += step
        if (this.#skip === 0) this.#valueEnds()
        continue
      }
      const end = chunk.indexOf(lf, at)
      const stop = end < 0 ? chunk.length : end + 1
      this.#count(stop - at)
      // Lines of RESP are short.
      if (this.#line.length + stop - at > limits.lineBytes) throw tooLarge()
      this.#line += chunk.toString('latin1', at, stop)
      at = stop
      if (end < 0) continue
      const line = this.#line
      this.#line = ''
      this.#lineEnds(line)
    }
    return this.#ended
  }

  #lineEnds(line: string): void {
    const [type = ''] = line
    if ('%~>|=(,#_!'.includes(type)) throw new SluiceError('UNEXPECTED_ANSWER')
    // The client's parser fails on this byte and reports it. See `foreignAnswer`.
    if (!'+-:$*'.includes(type)) {
      this.#isForeign = true
      return
    }
    const text = line.slice(1, -2)
    const isCounted = type === '$' || type === '*'
    if (!wholeLine.test(line) || (isCounted && !lengthOrNull.test(text))) throw new SluiceError('UNEXPECTED_ANSWER')
    const length = isCounted ? Number(text) : 0
    if (type === '$' && length >= 0) {
      if (length > limits.bytes) throw tooLarge()
      this.#skip = length + 2
    } else if (length > 0) {
      this.#elements += length
      if (++this.#arrays > limits.arrays || this.#elements > limits.elements) throw tooLarge()
      this.#left += length - 1
    } else this.#valueEnds()
  }

  #valueEnds(): void {
    if (--this.#left > 0) return
    this.#ended++
    this.#left = 1
    this.#bytes = 0
    this.#arrays = 0
    this.#elements = 0
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > limits.bytes) throw tooLarge()
  }
}

const tooLarge = () => new SluiceError('REMOTE_RESPONSE_TOO_LARGE', 'The server sent a reply above the size limit.')

const unasked = () => new SluiceError('UNEXPECTED_ANSWER', 'The server sent a reply without a command.')

/**
 * Enforces the limits on `socket`. Destroys it with an error if a reply exceeds them, or if more replies than `awaited` arrive.
 */
export function limitReplies(socket: Duplex, awaited: () => number): void {
  const parsers = socket.listeners('data')
  const replies = new ReplyLimits()
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    if (socket.destroyed) return
    try {
      const wanted = awaited()
      if (wanted === 0 || replies.take(chunk) > wanted) throw unasked()
    } catch (error) {
      socket.destroy(toError(error))
      return
    }
    for (const parse of parsers) parse(chunk)
  })
}
