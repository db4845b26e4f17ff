import { parquetHeader, readPage } from 'hyparquet/src/column.js'
import { convert, DEFAULT_PARSERS } from 'hyparquet/src/convert.js'
import { getMaxRepetitionLevel } from 'hyparquet/src/schema.js'
import type {
  ColumnDecoder,
  ColumnMetaData,
  CompressionCodec,
  DecodedArray,
  PageHeader,
  SchemaTree,
} from 'hyparquet/src/types.js'
import type { FileBytes } from './parquet.ts'
import { maxPageBytes, unpackPage, valuesIn } from './parquet-page.ts'
import { type PlainValues, plainValues } from './parquet-plain.ts'
import { valueReader } from './parquet-values.ts'

/** Where the pages of a column are, and what they hold. */
export interface ColumnChunk {
  meta: ColumnMetaData
  start: number
  end: number
  schemaPath: SchemaTree[]
}

const maxPageValues = 2 ** 24
// Values that are made at a time.
const valuesAtOnce = 250
const headerBytes = 2 ** 12

/** Reads the values of one column of a row group page by page; holds one page, its dictionary, and a window of bytes. */
export class ParquetColumn {
  readonly #file: FileBytes
  readonly #decoder: ColumnDecoder
  readonly #chunk: { codec: CompressionCodec; schemaPath: SchemaTree[] }
  readonly #isRepeated: boolean
  readonly #valueOf: (value: unknown) => unknown
  readonly #windowBytes: number
  readonly #end: number
  #next: number
  #window = { start: 0, end: 0, bytes: new ArrayBuffer(0) }
  #page = new Uint8Array()
  /** Of a variant, the library gives views of the page for values, which are read later. */
  readonly #keepsBytes: boolean
  #dictionary: DecodedArray | undefined
  #values: DecodedArray = []
  #plain: PlainValues | undefined
  #at = 0
  /** The last row of a repeated column, which the next page may continue. */
  #unfinished: unknown[] = []

  /** Asks for at least `windowBytes` at a time. */
  constructor(file: FileBytes, { meta, start, end, schemaPath }: ColumnChunk, windowBytes: number) {
    const element = schemaPath.at(-1)!.element
    this.#file = file
    this.#chunk = { codec: meta.codec, schemaPath }
    this.#next = start
    this.#end = end
    this.#windowBytes = windowBytes
    this.#isRepeated = getMaxRepetitionLevel(schemaPath) > 0
    this.#keepsBytes = schemaPath.some(({ element }) => element.logical_type?.type === 'VARIANT')
    this.#valueOf = valueReader(schemaPath)
    this.#decoder = {
      ...meta,
      pathInSchema: meta.path_in_schema,
      schemaPath,
      codec: 'UNCOMPRESSED',
      // Of all types, this is the one whose values the library hands one by one, as they are stored, to a parser of ours.
      element: { ...element, converted_type: 'TIMESTAMP_MILLIS' },
      parsers: { ...DEFAULT_PARSERS, timestampFromMilliseconds: this.#valueOf as never },
    }
  }

  /** The next `count` values, one for each row; fewer at the end of the row group. @throws Error when a page is damaged */
  async take(count: number): Promise<unknown[]> {
    const taken: unknown[] = []
    while (taken.length < count) {
      const to = Math.min(this.#values.length, this.#at + count - taken.length)
      while (this.#at < to) taken.push(this.#values[this.#at++])
      if (taken.length < count && !(await this.#turnPage())) break
    }
    return taken
  }

  /** Decodes the next page of values; false when there is none. */
  async #turnPage(): Promise<boolean> {
    this.#at = 0
    this.#values = this.#plain?.(valuesAtOnce) ?? []
    if (this.#values.length > 0) return true
    this.#plain = undefined
    while (this.#next < this.#end - 1) {
      const header = await this.#header()
      const { view } = await this.#reader(header.compressed_page_size)
      this.#next += header.compressed_page_size
      if (valuesIn(header) === 0) continue
      const packed = new Uint8Array(view.buffer, view.byteOffset, header.compressed_page_size)
      const { codec, schemaPath } = this.#chunk
      const unpacked = unpackPage(packed, header, { codec, schemaPath })
      const page = this.#held(unpacked.page)
      this.#plain = plainValues(page, unpacked.header, this.#decoder, this.#valueOf)
      if (this.#plain) return this.#turnPage()
      const { buffer, byteOffset, length } = page
      const reader = { view: new DataView(buffer, byteOffset, length), offset: 0 }
      const before = this.#isRepeated ? this.#unfinished : undefined
      const { data = [] } = readPage(reader, unpacked.header, this.#decoder, this.#dictionary, before, 0)
      if (header.type === 'DICTIONARY_PAGE') this.#dictionary = convert(data, this.#decoder)
      else {
        this.#values = data
        if (this.#isRepeated) this.#unfinished = (data as unknown[]).splice(-1)
        if (this.#values.length > 0) return true
      }
    }
    this.#values = this.#unfinished
    this.#unfinished = []
    return this.#values.length > 0
  }

  /** The page in memory that is used again: what lives as long as a page waits, once unused, for a full collection. */
  #held(page: Uint8Array): Uint8Array {
    if (this.#keepsBytes) return page
    if (this.#page.length < page.length) this.#page = new Uint8Array(page.length)
    this.#page.set(page)
    return this.#page.subarray(0, page.length)
  }

  async #header(): Promise<PageHeader> {
    for (let bytes = headerBytes; ; bytes *= 16) {
      const reader = await this.#reader(bytes)
      try {
        const header = parquetHeader(reader)
        this.#next += reader.offset
        const { compressed_page_size: packed, uncompressed_page_size: size } = header
        if (!(packed >= 0 && packed <= this.#end - this.#next)) throw new Error('a page reaches out of its column')
        if (!(size >= 0 && size <= maxPageBytes)) throw new Error(`a page has ${size} bytes`)
        if (valuesIn(header) > maxPageValues) throw new Error(`a page has ${valuesIn(header)} values`)
        return header
      } catch (error) {
        // The header may be longer than what was looked at.
        if (!(error instanceof RangeError) || bytes >= this.#end - this.#next || bytes > maxPageBytes) throw error
      }
    }
  }

  /** The bytes from the place at hand on: `bytes` of them, or all that the column has left. */
  async #reader(bytes: number): Promise<{ view: DataView; offset: number }> {
    const needed = Math.min(bytes, this.#end - this.#next)
    const { start, end: held, bytes: spent } = this.#window
    if (this.#next < start || this.#next + needed > held) {
      const end = Math.min(this.#end, this.#next + Math.max(needed, this.#windowBytes))
      const bytes = await this.#file.slice(this.#next, end, this.#keepsBytes ? undefined : spent)
      this.#window = { start: this.#next, end, bytes }
    }
    return { view: new DataView(this.#window.bytes, this.#next - this.#window.start), offset: 0 }
  }
}
