import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressPage } from 'hyparquet/src/datapage.js'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js'
import { readVarInt } from 'hyparquet/src/thrift.js'
import type { CompressionCodec, PageHeader, SchemaTree } from 'hyparquet/src/types.js'
import { compressors as others } from 'hyparquet-compressors'

/** The values that the header of a page claims. */
export const valuesIn = ({ data_page_header, data_page_header_v2, dictionary_page_header }: PageHeader) =>
  (data_page_header ?? data_page_header_v2 ?? dictionary_page_header)?.num_values ?? 0

/** No honest page is larger, be it packed or not: a header of a few bytes can claim anything. */
export const maxPageBytes = 256 * 2 ** 20

const native =
  (decompress: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array) =>
  (input: Uint8Array, length: number) =>
    length === 0 ? new Uint8Array() : decompress(input, { maxOutputLength: length })

const compressors = {
  ...others,
  GZIP: native(gunzipSync),
  BROTLI: native(brotliDecompressSync),
  ZSTD: native(zstdDecompressSync),
}

/**
 * Unpacks a page, and checks the runs in it, which the library would follow wherever they lead. The page, with a header
 * that says that it is not packed.
 * @throws Error when the page is damaged
 */
export function unpackPage(
  packed: Uint8Array,
  header: PageHeader,
  { codec, schemaPath }: { codec: CompressionCodec; schemaPath: SchemaTree[] },
): { page: Uint8Array; header: PageHeader } {
  const { data_page_header: first, data_page_header_v2: second, uncompressed_page_size: size } = header
  const levelWidths = [getMaxRepetitionLevel(schemaPath), getMaxDefinitionLevel(schemaPath)].map(widthOf)
  let page: Uint8Array
  if (second) {
    const { repetition_levels_byte_length: repetitions, definition_levels_byte_length: definitions } = second
    const levels = repetitions + definitions
    const { num_nulls, num_values } = second
    if (!(repetitions >= 0 && definitions >= 0 && levels <= packed.length && levels <= size)) throw damaged()
    if (!(num_nulls >= 0 && num_nulls <= num_values)) throw damaged()
    const values = packed.subarray(levels)
    const isPacked = second.is_compressed !== false && codec !== 'UNCOMPRESSED'
    page = isPacked
      ? Buffer.concat([packed.subarray(0, levels), decompressPage(values, size - levels, codec, compressors)])
      : packed
    if (levelWidths[0]) checkRuns(page, { from: 0, to: repetitions, width: levelWidths[0], count: num_values })
    if (levelWidths[1]) checkRuns(page, { from: repetitions, to: levels, width: levelWidths[1], count: num_values })
    checkValues(page, levels, { ...second, present: () => num_values - num_nulls })
  } else {
    page = decompressPage(packed, size, codec, compressors)
    let from = 0
    if (first) {
      const { num_values: count } = first
      let definitions = from
      for (const width of levelWidths) {
        definitions = from
        if (width) from = checkSized(page, from, { width, count })
      }
      const highest = getMaxDefinitionLevel(schemaPath)
      checkValues(page, from, { ...first, present: () => presentIn(page, definitions, { highest, count }) })
    }
  }
  return {
    page,
    header: {
      ...header,
      compressed_page_size: page.length,
      uncompressed_page_size: page.length,
      ...(second && { data_page_header_v2: { ...second, is_compressed: false } }),
    },
  }
}

/** Dictionary indexes, and booleans, are runs too; `present` counts the values that are not missing. */
function checkValues(
  page: Uint8Array,
  from: number,
  { encoding, num_values: count, present }: { encoding?: string; num_values: number; present: () => number },
) {
  if (encoding === 'RLE') checkSized(page, from, { width: 1, count })
  else if (encoding?.endsWith('_DICTIONARY') && from < page.length) {
    checkRuns(page, { from: from + 1, to: page.length, width: page[from]!, count })
  } else if (encoding === 'DELTA_BYTE_ARRAY') checkPrefixes(page, from, present())
}

function presentIn(page: Uint8Array, from: number, { highest, count }: { highest: number; count: number }): number {
  if (highest === 0) return count
  const levels = new Uint8Array(count)
  readRleBitPackedHybrid(readerOf(page, from), widthOf(highest), levels)
  return levels.reduce((sum, level) => (level === highest ? sum + 1 : sum), 0)
}

/**
 * Texts that each begin as the one before them (Encodings.md, "DELTA_BYTE_ARRAY = 7"): no beginning may be longer than that
 * text, and all together may have no more bytes than a page, since a few bytes can claim any number.
 */
function checkPrefixes(page: Uint8Array, from: number, count: number): void {
  if (count === 0) return
  const reader = readerOf(page, from)
  const [prefixes, suffixes] = [new Int32Array(count), new Int32Array(count)]
  deltaBinaryUnpack(reader, count, prefixes)
  deltaBinaryUnpack(reader, count, suffixes)
  let [length, bytes] = [0, 0]
  for (const [at, prefix] of prefixes.entries()) {
    const suffix = suffixes[at]!
    if (!(prefix >= 0 && prefix <= length && suffix >= 0)) throw damaged()
    length = prefix + suffix
    bytes += length
    if (bytes > maxPageBytes) throw new Error(`a page has values of more than ${maxPageBytes} bytes`)
  }
}

const readerOf = (page: Uint8Array, offset: number) => ({
  view: new DataView(page.buffer, page.byteOffset, page.length),
  offset,
})

/** Runs behind their length in bytes. Where they end. */
function checkSized(page: Uint8Array, from: number, { width, count }: { width: number; count: number }): number {
  // Nothing but nulls has no values.
  if (from === page.length) return from
  if (from + 4 > page.length) throw damaged()
  const start = from + 4
  const to = start + new DataView(page.buffer, page.byteOffset, page.length).getUint32(from, true)
  if (to > page.length) throw damaged()
  checkRuns(page, { from: start, to, width, count })
  return to
}

/** RLE and bit-packed runs (Apache Parquet format, Encodings.md, "RLE = 3"): none may be empty, or longer than the page. */
function checkRuns(
  page: Uint8Array,
  { from, to, width, count }: { from: number; to: number; width: number; count: number },
): void {
  if (width > 32) throw damaged()
  const reader = readerOf(page, from)
  for (let seen = 0; seen < count && reader.offset < to; ) {
    const run = readVarInt(reader)
    const isPacked = (run & 1) === 1
    const length = isPacked ? (run >> 1) * 8 : run >>> 1
    // Packed runs are filled up to eight values.
    if (run < 0 || length <= 0 || length > count - seen + 7) throw damaged()
    reader.offset += isPacked ? (length / 8) * width : Math.ceil(width / 8)
    seen += length
  }
}

const widthOf = (level: number) => 32 - Math.clz32(level)

const damaged = () => new Error('a page is damaged')
