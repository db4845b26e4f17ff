import { Readable } from 'node:stream'

/** Takes a chunk, which is a loan: its bytes are others from `giveBack` on, and the next chunk comes only then. */
export type TakeLoan = (chunk: Buffer, giveBack: () => void) => void

/** Where a body's bytes come from, one chunk at a time. */
export interface Lender {
  /** The chunk that was offered last is no longer needed; another one may be. */
  next(): void
  /** Nothing more is wanted. `whole` if nothing more would have come. */
  leave(whole: boolean): void
}

/**
 * A body of `length` bytes that are read into one buffer over and over, as long as it is asked to `lend` them; read as any
 * stream, it gives copies. To bring in fresh memory for each chunk costs more of the processor than to pass its bytes on.
 */
export class LendingBody extends Readable {
  readonly #lender: Lender
  #left: number
  #take: TakeLoan | undefined
  /** What was offered and nobody has asked for yet. */
  #waiting: Buffer | undefined
  #isWanted = false
  #hasLeft = false

  constructor(length: number, lender: Lender) {
    super()
    this.#left = length
    this.#lender = lender
    // One that breaks off before anybody has begun to read it does not end the process.
    this.on('error', () => {})
  }

  /**
   * Lends each chunk to `take`, instead of giving copies to readers. The body is destroyed behind the last; `error` and `close`
   * tell of a break.
   */
  lend(take: TakeLoan): void {
    this.#take = take
    this.#want()
  }

  /** Offers bytes, which stay as they are until the lender is asked for the `next`. */
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
    // Nothing will be offered of a body without bytes.
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
