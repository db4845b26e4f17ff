import { crc32 } from 'node:zlib'
import type { CompressionCodec } from 'hyparquet'
import { decompress } from './decompress.ts'
import { ParquetFault } from './fault.ts'
import type { FileBytes } from './file-bytes.ts'
import { maxPageBytes, type PageHeader, readPageHeader } from './page-header.ts'

/** Where the pages of a column are. */
export interface PagePlace {
  start: number
  end: number
  /** Number of values of the column, including nulls. Nothing is read after them. */
  values: number
  codec: CompressionCodec
}

/** A page of data or a dictionary; its levels, if it has any, stand before its values. */
export interface Page {
  header: PageHeader
  /** Unpacked. What is in them stays only until the next page is read. */
  bytes: Buffer
}

const headerBytes = 2 ** 12
// Some old writers left the header of the dictionary page out of the size of a column (PARQUET-816).
const headerLeftOut = 100

/** Bytes that all columns of a row group may hold together: 1 GiB. */
export class MemoryBudget {
  #left = 2 ** 30
  /** @throws ParquetFault if fewer bytes are left */
  take(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw new ParquetFault('its columns need more than 1 GiB of memory together')
  }
}

/** Reads the pages of one column of a row group, one at a time. Holds one page and a window of bytes. */
export class Pages {
  readonly #file: FileBytes
  readonly #place: PagePlace
  readonly #windowBytes: number
  readonly #budget: MemoryBudget
  readonly #end: number
  #next: number
  #window = { start: 0, end: 0, bytes: new ArrayBuffer(0) }
  #page = Buffer.alloc(0)
  #values = 0

  /** Asks for at least `windowBytes` at a time. */
  constructor(file: FileBytes, place: PagePlace, windowBytes: number, budget: MemoryBudget) {
    this.#file = file
    this.#place = place
    this.#windowBytes = windowBytes
    this.#budget = budget
    this.#next = place.start
    this.#end = Math.min(file.byteLength, place.end + headerLeftOut)
  }

  /** The next page of data or dictionary. Undefined after the last one. @throws ParquetFault if it is damaged */
  async next(): Promise<Page | undefined> {
    while (this.#values < this.#place.values) {
      if (this.#next >= this.#place.end) throw new ParquetFault('a column has fewer values than the footer says')
      const header = await this.#header()
      const packed = (await this.#bytes(header.packedBytes)).subarray(0, header.packedBytes)
      this.#next += header.packedBytes
      if (header.type === 'OTHER') continue
      if (header.crc !== undefined && crc32(packed) !== header.crc) {
        throw new ParquetFault('the checksum of a page does not match')
      }
      if (header.type !== 'DICTIONARY') this.#values += header.values
      return { header, bytes: await this.#unpacked(packed, header) }
    }
    return undefined
  }

  async #unpacked(packed: Buffer, header: PageHeader): Promise<Buffer> {
    const { codec } = this.#place
    const levels = header.repetitionBytes + header.definitionBytes
    const isDictionary = header.type === 'DICTIONARY'
    if (codec === 'UNCOMPRESSED' || !header.isPacked) {
      if (packed.length < header.bytes) throw new ParquetFault('a page is shorter than its header says')
      if (!isDictionary) return packed
    }
    // A dictionary stays as long as its column; another page is copied into memory that is used again: what lives as long
    // as a page waits, once unused, for a full collection.
    const length = header.bytes
    this.#budget.take(isDictionary ? length : Math.max(0, length - this.#page.length))
    const isStored = codec === 'UNCOMPRESSED' || !header.isPacked
    const values = isStored ? packed : await decompress(packed.subarray(levels), length - levels, codec)
    if (isDictionary) return isStored ? Buffer.from(values) : values
    if (this.#page.length < length) this.#page = Buffer.allocUnsafeSlow(length)
    packed.copy(this.#page, 0, 0, levels)
    values.copy(this.#page, levels)
    return this.#page.subarray(0, length)
  }

  async #header(): Promise<PageHeader> {
    for (let bytes = headerBytes; ; bytes *= 16) {
      const some = await this.#bytes(bytes)
      try {
        const { header, end } = readPageHeader(some, 0)
        this.#next += end
        if (header.packedBytes > this.#end - this.#next) throw new ParquetFault('a page reaches out of its column')
        return header
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        // The header may be longer than what was looked at.
        const isAll = bytes >= this.#end - this.#next || bytes > maxPageBytes
        if (isAll) throw new ParquetFault('the header of a page is cut off')
      }
    }
  }

  /** The bytes from the current position on: at least `count`, or the rest of the column. */
  async #bytes(count: number): Promise<Buffer> {
    const needed = Math.min(count, this.#end - this.#next)
    const { start, end, bytes: spent } = this.#window
    if (this.#next < start || this.#next + needed > end) {
      const end = Math.min(this.#end, this.#next + Math.max(needed, this.#windowBytes))
      this.#budget.take(Math.max(0, end - this.#next - spent.byteLength))
      const bytes = await this.#file.slice(this.#next, end, spent)
      this.#window = { start: this.#next, end, bytes }
    }
    return Buffer.from(this.#window.bytes, this.#next - this.#window.start, this.#window.end - this.#next)
  }
}
