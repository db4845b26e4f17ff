import { ParquetFault } from './fault.ts'
import { type Fields, readStruct } from './thrift.ts'

/** The header of a page (parquet.thrift, `PageHeader`). */
export interface PageHeader {
  /** OTHER: an index page, or a kind that the format gets later. Readers skip them. */
  type: 'DATA' | 'DATA_V2' | 'DICTIONARY' | 'OTHER'
  /** Bytes of the page as it is stored, without this header. */
  packedBytes: number
  /** Bytes of the page when it is unpacked. */
  bytes: number
  /** CRC-32 of the page as it is stored, as an unsigned number; undefined if the writer did not store it. */
  crc: number | undefined
  /** Number of values, nulls included. */
  values: number
  encoding: Encoding
  /** DATA only: how its levels are stored. */
  levelEncodings: Encoding[]
  /** DATA_V2 only: bytes of the levels, which stand before the values and are never packed. */
  repetitionBytes: number
  definitionBytes: number
  /** DATA_V2 only: false if the values are stored as they are. */
  isPacked: boolean
}

/** Names of parquet.thrift, `Encoding`. */
type Encoding = (typeof encodings)[number] | 'UNKNOWN'
const encodings = [
  'PLAIN',
  'UNKNOWN',
  'PLAIN_DICTIONARY',
  'RLE',
  'BIT_PACKED',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'RLE_DICTIONARY',
  'BYTE_STREAM_SPLIT',
] as const

/** No honest page is larger, be it packed or not: a header of a few bytes can claim anything. */
export const maxPageBytes = 256 * 2 ** 20
const maxPageValues = 2 ** 24

/**
 * Reads the header of a page.
 * @throws RangeError when `bytes` end before the header does; ParquetFault when what it says cannot be.
 */
export function readPageHeader(bytes: Buffer, start: number): { header: PageHeader; end: number } {
  const { fields, end } = readStruct(bytes, start)
  const type = fields[1] === 0 ? 'DATA' : fields[1] === 2 ? 'DICTIONARY' : fields[1] === 3 ? 'DATA_V2' : 'OTHER'
  const details = (type === 'OTHER' ? [] : fields[{ DATA: 5, DICTIONARY: 7, DATA_V2: 8 }[type]]) as Fields | undefined
  if (details === undefined) throw new ParquetFault('the header of a page is damaged')
  const [, , bytesUnpacked, packedBytes, crc] = fields
  const isSecond = type === 'DATA_V2'
  const header: PageHeader = {
    type,
    packedBytes: size(packedBytes),
    bytes: size(bytesUnpacked),
    crc: typeof crc === 'number' ? crc >>> 0 : undefined,
    values: type === 'OTHER' ? 0 : size(details[1]),
    encoding: encodingOf(details[isSecond ? 4 : 2]),
    levelEncodings: type === 'DATA' ? [encodingOf(details[3]), encodingOf(details[4])] : [],
    repetitionBytes: isSecond ? size(details[6]) : 0,
    definitionBytes: isSecond ? size(details[5]) : 0,
    isPacked: isSecond ? details[7] !== false : true,
  }
  if (header.values > maxPageValues) throw new ParquetFault(`a page claims to have ${header.values} values`)
  const levels = header.repetitionBytes + header.definitionBytes
  if (levels > header.packedBytes || levels > header.bytes) throw new ParquetFault('the header of a page is damaged')
  return { header, end }
}

function size(value: Fields[number]): number {
  if (typeof value === 'number' && value >= 0 && value <= maxPageBytes) return value
  throw new ParquetFault(`the header of a page claims a size of ${String(value)}`)
}

const encodingOf = (value: Fields[number]): Encoding =>
  (typeof value === 'number' ? encodings[value] : undefined) ?? 'UNKNOWN'
