import { Readable } from 'node:stream'

/** Borrows a chunk until it calls `giveBack`. After that, the buffer is overwritten, and the next chunk may arrive. */
export type TakeLoan = (chunk: Buffer, giveBack: () => void) => void

/** The source of a body's bytes. It offers one chunk at a time. */
export interface Lender {
  /** The body has released the last chunk and can take another one. */
  next(): void
  /** The body needs no more bytes. `whole` is true if it has received all of them. */
  leave(whole: boolean): void
}

/**
 * A body of `length` bytes whose consumer can borrow each chunk from a reused buffer (`lend`). Read as a stream, it returns
 * copies. Allocating memory for each chunk costs more CPU time than forwarding its bytes.
 */
export class LendingBody extends Readable {
  readonly #lender: Lender
  #left: number
  #take: TakeLoan | undefined
  /** A chunk that was offered before the consumer wanted it. */
  #waiting: Buffer | undefined
  #isWanted = false
  #hasLeft = false

  constructor(length: number, lender: Lender) {
    super()
    this.#left = length
    this.#lender = lender
    // Without a listener, an error before the first read would end the process.
    this.on('error', () => {})
  }

  /**
   * Passes each chunk to `take`, instead of copies to readers. Destroys the body after the last chunk. If the body breaks off,
   * `error` and `close` are emitted.
   */
  lend(take: TakeLoan): void {
    this.#take = take
    this.#want()
  }

  /** Offers a chunk. Its bytes must not change until the body calls `next` or `leave`. */
  offer(chunk: Buffer): void {
    this.#left -= chunk.length
    this.#waiting = chunk
    if (this.#isWanted) this.#give()
  }

  /** Number of bytes that have not been offered yet. */
  get left(): number {
    return this.#left
  }

  override _read(): void {
    this.#want()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#waiting = undefined
    this.#leave(false)
    callback(error)
  }

  #want(): void {
    this.#isWanted = true
    if (this.#waiting) this.#give()
    // An empty body is never offered a chunk.
    else if (this.#left === 0) this.#goOn()
  }

  #give(): void {
    const chunk = this.#waiting!
    this.#waiting = undefined
    if (this.#take) this.#take(chunk, () => this.#goOn())
    else {
      this.#isWanted = false
      this.push(Buffer.from(chunk))
      this.#goOn()
    }
  }

  #goOn(): void {
    if (this.destroyed || this.#hasLeft) return
    if (this.#left > 0) this.#lender.next()
    else {
      this.#leave(true)
      if (this.#take) this.destroy()
      else this.push(null)
    }
  }

  #leave(whole: boolean): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#lender.leave(whole)
  }
}
