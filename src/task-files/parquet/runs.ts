import { ParquetFault } from './fault.ts'

/**
 * Integers of `width` bits in RLE and bit-packed runs (Apache Parquet format, Encodings.md, "RLE = 3"), read as they are
 * wanted. A run may have more values than there are left to read: writers fill bit-packed runs up to 8, or to 256. What
 * limits it are the bytes that it has.
 */
export class Runs {
  readonly #bytes: Buffer
  readonly #end: number
  readonly #width: number
  #at: number
  /** Number of values left in the current run. */
  #left = 0
  /** The value of a run that repeats one, or -1. */
  #repeated = 0
  #isPacked = false
  #bit = 0

  /** @throws ParquetFault if values cannot have this number of bits */
  constructor(bytes: Buffer, { from, to, width }: { from: number; to: number; width: number }) {
    if (!(width >= 0 && width <= 32 && from <= to && to <= bytes.length)) throw damaged()
    this.#bytes = bytes
    this.#at = from
    this.#end = to
    this.#width = width
  }

  /** Reads `count` values into the beginning of `into`. @throws ParquetFault when there are fewer */
  read(into: Uint32Array | Uint8Array, count: number): void {
    if (this.#width === 0) {
      into.fill(0, 0, count)
      return
    }
    for (let done = 0; done < count; ) {
      if (this.#left === 0) this.#nextRun()
      const end = done + Math.min(this.#left, count - done)
      this.#left -= end - done
      if (this.#isPacked) this.#unpack(into, done, end)
      else into.fill(this.#repeated, done, end)
      done = end
    }
  }

  #nextRun(): void {
    let [head, scale] = [0, 1]
    for (let part = 0x80; part >= 0x80; scale *= 128) {
      if (this.#at >= this.#end || scale > 2 ** 35) throw damaged()
      part = this.#bytes[this.#at++]!
      head += (part & 0x7f) * scale
    }
    this.#isPacked = head % 2 === 1
    const length = Math.floor(head / 2)
    if (length === 0) throw damaged()
    if (this.#isPacked) {
      // The last run may be cut off after its last value.
      const bytes = Math.min(length * this.#width, this.#end - this.#at)
      this.#left = Math.floor((bytes * 8) / this.#width)
      this.#bit = this.#at * 8
      this.#at += bytes
      if (this.#left === 0) throw damaged()
      return
    }
    this.#left = length
    const bytes = Math.ceil(this.#width / 8)
    if (this.#at + bytes > this.#end) throw damaged()
    this.#repeated = this.#bytes.readUIntLE(this.#at, bytes)
    if (this.#repeated >= 2 ** this.#width) throw damaged()
    this.#at += bytes
  }

  #unpack(into: Uint32Array | Uint8Array, from: number, to: number): void {
    const bytes = this.#bytes
    const width = this.#width
    let bit = this.#bit
    if (width === 1) {
      for (let n = from; n < to; n++, bit++) into[n] = (bytes[bit >>> 3]! >>> (bit & 7)) & 1
    } else if (width <= 24) {
      const mask = 2 ** width - 1
      for (let n = from; n < to; n++, bit += width) {
        const at = Math.floor(bit / 8)
        const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
        into[n] = (word >>> (bit & 7)) & mask
      }
    } else {
      for (let n = from; n < to; n++, bit += width) into[n] = bitsAt(bytes, bit, width)
    }
    this.#bit = bit
  }
}

/** `width` bits from the bit `bit` on, the lowest first; exact up to 45 bits. Bits after the end are 0. */
function bitsAt(bytes: Buffer, bit: number, width: number): number {
  let at = Math.floor(bit / 8)
  let [value, scale] = [bytes[at]! >>> (bit % 8), 2 ** (8 - (bit % 8))]
  for (; scale < 2 ** width; scale *= 256) value += (bytes[++at] ?? 0) * scale
  return value % 2 ** width
}

/** Bits that a number up to `highest` needs. */
export const widthOf = (highest: number) => 32 - Math.clz32(highest)

const damaged = () => new ParquetFault('the data of a page is damaged')
