import type { ParquetType } from 'hyparquet'
import type { Json } from '../../json.ts'
import { ParquetFault } from './fault.ts'

/** Makes JSON of a stored value: the bytes from `start` up to, not including, `end`; of a boolean, one byte, 0 or 1. */
export type ReadValue = (bytes: Buffer, start: number, end: number) => Json

/** How the values of a column are stored, and what they become. */
export interface Stored {
  type: ParquetType
  /** Bytes of a value; 0 where each has its own length. */
  width: number
  read: ReadValue
}

// Beyond this, an array of V8 made at once is a hash table anyway.
const maxPrepared = 2 ** 20

/** The values of a dictionary page. Each is created on first use, and then cached. */
export class Dictionary {
  readonly #bytes: Buffer
  readonly #stored: Stored
  readonly #count: number
  /** Where values without a common width end. */
  readonly #ends: Uint32Array | undefined
  readonly #values: (Json | undefined)[]

  /** Keeps a reference to `bytes`. @throws ParquetFault if they contain fewer than `count` values */
  constructor(bytes: Buffer, count: number, stored: Stored) {
    this.#bytes = bytes
    this.#stored = stored
    this.#count = count
    this.#values = count <= maxPrepared ? new Array(count) : []
    if (stored.type === 'BOOLEAN') throw new ParquetFault('booleans have a dictionary')
    if (stored.width > 0) {
      if (count * stored.width > bytes.length) throw damaged()
      return
    }
    // Each value takes the four bytes of its length.
    if (count * 4 > bytes.length) throw damaged()
    this.#ends = new Uint32Array(count)
    for (let [n, at] = [0, 0]; n < count; n++) {
      if (at + 4 > bytes.length) throw damaged()
      at += 4 + bytes.readUInt32LE(at)
      if (at > bytes.length) throw damaged()
      this.#ends[n] = at
    }
  }

  /** @throws ParquetFault if there is no such value */
  value(index: number): Json {
    const known = this.#values[index]
    if (known !== undefined) return known
    if (index >= this.#count) throw damaged()
    const { width, read } = this.#stored
    const start = this.#ends ? (index === 0 ? 4 : this.#ends[index - 1]! + 4) : index * width
    const value = read(this.#bytes, start, this.#ends ? this.#ends[index]! : start + width)
    this.#values[index] = value
    return value
  }
}

const damaged = () => new ParquetFault('the dictionary of a column is damaged')
