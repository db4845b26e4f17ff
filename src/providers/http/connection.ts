import { isIP, type Socket } from 'node:net'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { targetOf } from '../../security/egress-policy.ts'
import { toError } from '../../unknown.ts'
import { type Head, type KnownLines, readHead } from './head.ts'
import { ReusedBufferBody } from './reused-buffer-body.ts'

/** A response. The caller owns `body` and must consume or destroy it. */
export interface HttpAnswer extends Pick<Head, 'status' | 'headers'> {
  /** Undefined if the response does not give the length of its body. The connection is closed then. */
  body: ReusedBufferBody | undefined
}

// Holds a body of 64 KiB together with its head.
const bufferBytes = 72 * 1_024
// A slow client can block a body with more than this left, together with its buffer, so the buffer is smaller then. The
// operating system buffers shorter bodies.
const longBytes = 1_024 * 1_024
const longBufferBytes = 32 * 1_024
const connectMs = 10_000
const maxIdleMs = 60_000
// Limit for a whole head, even if its bytes arrive one by one.
const headMs = 60_000

/** Events of a connection, for its owner. */
export interface ConnectionEvents {
  /** The connection can send another request. */
  idle(): void
  closed(): void
}

/** A connection to a server. It handles one request at a time. */
export class Connection {
  readonly #socket: Socket
  readonly #on: ConnectionEvents
  /** Bytes of an incomplete head. */
  #partial: Buffer | undefined
  #answer: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | undefined
  #body: ReusedBufferBody | undefined
  #keepAlive = true
  /** When the last request was sent, by `performance.now()`. */
  #sentAt = 0
  /** Whether a chunk is borrowed. Reading is paused then, so a timeout of the socket does not count. */
  #isChunkOut = false
  #timedOut = false
  readonly #lines: KnownLines
  /** When the last request was finished, by `performance.now()`. */
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
      .once(isTls ? 'secureConnect' : 'connect', () => this.#socket.setTimeout(maxIdleMs))
      .on('timeout', () => {
        if (this.#isChunkOut) this.#timedOut = true
        else this.#socket.destroy(new Error('The server has been silent for too long.'))
      })
      .on('error', (error) => this.#fail(error))
      .on('close', () => {
        this.#fail(new Error('The server has closed the connection.'))
        on.closed()
      })
  }

  /**
   * Options that make the socket read into one reused buffer. TLS sockets cannot use it: they deliver all decrypted bytes even
   * while reading is paused, and so would overwrite a borrowed chunk. As a stream, a TLS socket buffers these bytes.
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

  /** False after the connection was closed. It accepts no request then. */
  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  /** Sends the text of a GET. Rejects if the connection fails before the response, or if `readHead` cannot read it. */
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

  /** Handles received bytes. Returns false to pause reading. */
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
      if (performance.now() - this.#sentAt > headMs) throw new Error('The head of the response takes too long.')
      this.#partial = this.#partial ? data : Buffer.from(chunk)
      return true
    } catch (error) {
      this.#socket.destroy(toError(error))
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
    this.#body = new ReusedBufferBody(length, { next: () => this.#next(), finish: (whole) => this.#finish(whole) })
    const keepsReading = rest.length === 0 || this.#offer(this.#body, rest)
    resolve({ status, headers, body: this.#body })
    return keepsReading
  }

  /**
   * Offers a chunk to the body. Returns true if the body released it during the call. Reading must not be paused then, because
   * `#next` has already resumed it.
   */
  #offer(body: ReusedBufferBody, chunk: Buffer): boolean {
    if (chunk.length > body.left) {
      this.#socket.destroy(new Error('The response continues after its end.'))
      return false
    }
    this.#isChunkOut = true
    body.offer(chunk)
    return !this.#isChunkOut
  }

  #next(): void {
    this.#isChunkOut = false
    if (this.#timedOut) this.#socket.setTimeout(maxIdleMs)
    this.#timedOut = false
    this.#socket.resume()
  }

  #finish(whole: boolean): void {
    this.#body = undefined
    this.#isChunkOut = false
    // Bytes that have arrived after the body would be parsed as the next response.
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
