import { ParquetFault } from './fault.ts'
import { maxPageBytes } from './page-header.ts'

/** Integers of DELTA_BINARY_PACKED (Apache Parquet format, Encodings.md, "DELTA_BINARY_PACKED = 5"), read as they are wanted. */
export class DeltaIntegers {
  /** Number of the integers. */
  readonly count: number
  readonly #bytes: Buffer
  readonly #blockParts: number
  readonly #partValues: number
  #at: number
  #value: bigint
  #isFirst = true
  #smallest = 0n
  #widths: number[] = []
  #part = 0
  #bit = 0
  #partLeft = 0
  #left: number

  /** @throws ParquetFault when the header is damaged, or there are more than `most` integers */
  constructor(bytes: Buffer, from: number, most: number) {
    this.#bytes = bytes
    this.#at = from
    const blockValues = Number(this.#varint())
    this.#blockParts = Number(this.#varint())
    this.count = Number(this.#varint())
    this.#value = this.#signed()
    this.#partValues = blockValues / this.#blockParts
    this.#left = this.count
    const fits = blockValues <= 2 ** 24 && this.#blockParts > 0 && this.#partValues % 8 === 0 && this.#partValues > 0
    if (!fits || this.#blockParts > 2 ** 16 || this.count > most) throw damaged()
  }

  /** The next integer, as it was before it wrapped around 64 bits. @throws ParquetFault if there are no more integers */
  next(): bigint {
    if (this.#left === 0) throw damaged()
    this.#left--
    if (this.#isFirst) {
      this.#isFirst = false
      return this.#value
    }
    if (this.#partLeft === 0) this.#nextPart()
    const width = this.#widths[this.#part]!
    this.#partLeft--
    const delta = width === 0 ? 0n : this.#unpacked(width)
    this.#bit += width
    this.#value = BigInt.asIntN(64, this.#value + this.#smallest + delta)
    return this.#value
  }

  /** All integers as lengths. @throws ParquetFault when one is negative or too large */
  lengths(): Int32Array {
    const lengths = new Int32Array(this.count)
    for (let n = 0; n < this.count; n++) {
      const length = this.next()
      if (length < 0n || length > BigInt(maxPageBytes)) throw damaged()
      lengths[n] = Number(length)
    }
    return lengths
  }

  /** Position of the bytes after the last integer, once all were read. */
  get end(): number {
    return this.#at
  }

  #nextPart(): void {
    this.#part++
    if (this.#part >= this.#widths.length) {
      this.#smallest = this.#signed()
      if (this.#at + this.#blockParts > this.#bytes.length) throw damaged()
      this.#widths = [...this.#bytes.subarray(this.#at, this.#at + this.#blockParts)]
      this.#at += this.#blockParts
      this.#part = 0
    }
    const width = this.#widths[this.#part]!
    // The last part may be cut off after its last value.
    const needed = Math.ceil((Math.min(this.#left + 1, this.#partValues) * width) / 8)
    if (width > 64 || this.#at + needed > this.#bytes.length) throw damaged()
    this.#partLeft = this.#partValues
    this.#bit = this.#at * 8
    this.#at = Math.min(this.#bytes.length, this.#at + (this.#partValues * width) / 8)
  }

  #unpacked(width: number): bigint {
    const shift = this.#bit % 8
    const at = (this.#bit - shift) / 8
    const bytes = this.#bytes
    if (shift + width <= 32 && at + 4 <= bytes.length) {
      const word = bytes.readUInt32LE(at) >>> shift
      return BigInt(width === 32 ? word : word & (2 ** width - 1))
    }
    let value = 0n
    for (let part = 0; part * 8 < shift + width; part++) value |= BigInt(bytes[at + part] ?? 0) << BigInt(part * 8)
    return BigInt.asUintN(width, value >> BigInt(shift))
  }

  #varint(): bigint {
    let [value, shift] = [0n, 0n]
    for (;;) {
      if (this.#at >= this.#bytes.length || shift > 63n) throw damaged()
      const part = this.#bytes[this.#at++]!
      value |= BigInt(part & 0x7f) << shift
      if (part < 0x80) return value
      shift += 7n
    }
  }

  #signed(): bigint {
    const value = this.#varint()
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
  }
}

const damaged = () => new ParquetFault('the data of a page is damaged')
