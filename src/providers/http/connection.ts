import { isIP, type Socket } from 'node:net'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { targetOf } from '../../security/egress-policy.ts'
import { type Head, type KnownLines, readHead } from './head.ts'
import { LendingBody } from './lending-body.ts'

/** What has been answered. The caller owns `body`: it must be consumed or destroyed. */
export interface HttpAnswer extends Pick<Head, 'status' | 'headers'> {
  /** Undefined where the end of the body is not told by its length: then the connection is over. */
  body: LendingBody | undefined
}

// An answer of 64 KiB comes with its head in one piece.
const bufferBytes = 72 * 1_024
// A body that goes on for longer than this may wait on a slow client, and its buffer with it; what is shorter, the system holds.
const longBytes = 1_024 * 1_024
const longBufferBytes = 32 * 1_024
const connectMs = 10_000
const silentMs = 60_000
// For all of a head, however its bytes drip in.
const headMs = 60_000

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** It can be given another request. */
  idle(): void
  closed(): void
}

/** One connection to a server, which has one request at a time. */
export class Connection {
  readonly #socket: Socket
  readonly #on: ConnectionEvents
  /** What came of a head that is not all there. */
  #partial: Buffer | undefined
  #answer: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | undefined
  #body: LendingBody | undefined
  #keepAlive = true
  /** When the last request was sent, by `performance.now()`. */
  #sentAt = 0
  /** While the buffer is somebody else's, the server has nothing to say. */
  #isLent = false
  #timedOut = false
  readonly #lines: KnownLines
  /** When it was last done with a request, by `performance.now()`. */
  idleSince = 0

  constructor(egress: Egress, origin: URL, lines: KnownLines, on: ConnectionEvents) {
    this.#lines = lines
    this.#on = on
    const host = origin.hostname.replace(/^\[|\]$/g, '')
    const isTls = origin.protocol === 'https:'
    const to = { ...targetOf(origin), noDelay: true, keepAlive: true }
    this.#socket = isTls
      ? egress.connectTls({ ...to, servername: isIP(host) ? '' : host }).on('data', (chunk) => {
          if (!this.#data(chunk)) this.#socket.pause()
        })
      : egress.connect({ ...to, onread: this.#oneBuffer() })
    this.#socket
      .setTimeout(connectMs)
      .once(isTls ? 'secureConnect' : 'connect', () => this.#socket.setTimeout(silentMs))
      .on('timeout', () => {
        if (this.#isLent) this.#timedOut = true
        else this.#socket.destroy(new Error('The server has been silent for too long.'))
      })
      .on('error', (error) => this.#fail(error))
      .on('close', () => {
        this.#fail(new Error('The server has closed the connection.'))
        on.closed()
      })
  }

  /**
   * Reads into one buffer over and over. Not for TLS: it hands over all that it has decrypted, though reading was stopped, and so
   * would write into a chunk that is lent; as a stream it keeps that.
   */
  #oneBuffer() {
    let buffer = Buffer.allocUnsafeSlow(bufferBytes)
    return {
      buffer: () => {
        const bytes = this.#body && this.#body.left > longBytes ? longBufferBytes : bufferBytes
        if (buffer.length !== bytes) buffer = Buffer.allocUnsafeSlow(bytes)
        return buffer
      },
      callback: (count: number, into: Uint8Array) => this.#data((into as Buffer).subarray(0, count)),
    }
  }

  /** True until it is closed; then no request may be given to it. */
  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  /** Sends the text of a GET. Rejects when the connection breaks off before the answer, or it is not written plainly. */
  get(text: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject }
      this.#sentAt = performance.now()
      this.#socket.write(text, 'latin1')
    })
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Takes what has come into the buffer; false = nothing more yet. */
  #data(chunk: Buffer): boolean {
    if (this.#body) return this.#offer(this.#body, chunk)
    if (!this.#answer) {
      this.destroy()
      return false
    }
    const data = this.#partial ? Buffer.concat([this.#partial, chunk]) : chunk
    try {
      const head = readHead(data, this.#lines)
      if (head) return this.#begin(head, data.subarray(head.bytes))
      if (performance.now() - this.#sentAt > headMs) throw new Error('The head of the answer takes too long.')
      this.#partial = this.#partial ? data : Buffer.from(chunk)
      return true
    } catch (error) {
      this.#socket.destroy(error as Error)
      return false
    }
  }

  #begin({ status, headers, length, keepAlive }: Head, rest: Buffer): boolean {
    const { resolve } = this.#answer!
    this.#answer = undefined
    this.#partial = undefined
    if (length === undefined) {
      resolve({ status, headers, body: undefined })
      this.destroy()
      return false
    }
    this.#keepAlive = keepAlive
    this.#body = new LendingBody(length, { next: () => this.#next(), leave: (whole) => this.#leave(whole) })
    const goesOn = rest.length === 0 || this.#offer(this.#body, rest)
    resolve({ status, headers, body: this.#body })
    return goesOn
  }

  /** Whether it was taken at once: what is wanted in this very moment would find the reading still on, and then be stopped. */
  #offer(body: LendingBody, chunk: Buffer): boolean {
    if (chunk.length > body.left) {
      this.#socket.destroy(new Error('The answer goes on behind its end.'))
      return false
    }
    this.#isLent = true
    body.offer(chunk)
    return !this.#isLent
  }

  #next(): void {
    this.#isLent = false
    if (this.#timedOut) this.#socket.setTimeout(silentMs)
    this.#timedOut = false
    this.#socket.resume()
  }

  #leave(whole: boolean): void {
    this.#body = undefined
    this.#isLent = false
    // What has come already would be taken for the beginning of the next answer.
    const isClean = whole && this.#socket.readableLength === 0
    if (isClean && this.#keepAlive && this.isOpen) {
      this.idleSince = performance.now()
      this.#socket.resume()
      this.#on.idle()
    } else this.destroy()
  }

  #fail(cause: Error): void {
    this.#answer?.reject(cause)
    this.#answer = undefined
    if (this.#body && this.#body.left > 0) this.#body.destroy(new SluiceError('BODY_CUT', undefined, { cause }))
  }
}
