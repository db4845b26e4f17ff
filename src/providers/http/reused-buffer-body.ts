import { Readable } from 'node:stream'

/** Borrows a chunk until it calls `release`. After that, the buffer is overwritten, and the next chunk may arrive. */
export type ChunkHandler = (chunk: Buffer, release: () => void) => void

/** The source of a body's bytes. It offers one chunk at a time. */
export interface ChunkSource {
  /** The body has released the last chunk and can take another one. */
  next(): void
  /** The body needs no more bytes. `whole` is true if it has received all of them. */
  finish(whole: boolean): void
}

/**
 * A body of `length` bytes whose consumer can borrow each chunk from a reused buffer (`readChunks`). Read as a stream, it returns
 * copies. Allocating memory for each chunk costs more CPU time than forwarding its bytes.
 */
export class ReusedBufferBody extends Readable {
  readonly #source: ChunkSource
  #left: number
  #handler: ChunkHandler | undefined
  /** A chunk that was offered before the consumer wanted it. */
  #waiting: Buffer | undefined
  #isWanted = false
  #isFinished = false

  constructor(length: number, source: ChunkSource) {
    super()
    this.#left = length
    this.#source = source
    // Without a listener, an error before the first read would end the process.
    this.on('error', () => {})
  }

  /**
   * Passes each chunk to `take`, instead of copies to readers. Destroys the body after the last chunk. If the body breaks off,
   * `error` and `close` are emitted.
   */
  readChunks(handler: ChunkHandler): void {
    this.#handler = handler
    this.#request()
  }

  /** Offers a chunk. Its bytes must not change until the body calls `next` or `leave`. */
  offer(chunk: Buffer): void {
    this.#left -= chunk.length
    this.#waiting = chunk
    if (this.#isWanted) this.#deliver()
  }

  /** Number of bytes that have not been offered yet. */
  get left(): number {
    return this.#left
  }

  override _read(): void {
    this.#request()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#waiting = undefined
    this.#finish(false)
    callback(error)
  }

  #request(): void {
    this.#isWanted = true
    if (this.#waiting) this.#deliver()
    // An empty body is never offered a chunk.
    else if (this.#left === 0) this.#advance()
  }

  #deliver(): void {
    const chunk = this.#waiting!
    this.#waiting = undefined
    if (this.#handler) this.#handler(chunk, () => this.#advance())
    else {
      this.#isWanted = false
      this.push(Buffer.from(chunk))
      this.#advance()
    }
  }

  #advance(): void {
    if (this.destroyed || this.#isFinished) return
    if (this.#left > 0) this.#source.next()
    else {
      this.#finish(true)
      if (this.#handler) this.destroy()
      else this.push(null)
    }
  }

  #finish(whole: boolean): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#source.finish(whole)
  }
}
