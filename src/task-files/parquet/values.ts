import type { SchemaElement } from 'hyparquet'
// Of the library's inside, this alone has no door of its own.
import { wkbToGeojson } from 'hyparquet/src/wkb.js'
import { type Json, parseJson } from '../../json.ts'
import { BadValue, type Findings } from './bad-value.ts'
import type { ReadValue, Stored } from './dictionary.ts'
import { ParquetFault } from './fault.ts'
import { clock, day, decimal, finite, integer, time, uuid } from './scalars.ts'
import { textOf } from './text.ts'

const largeText = 2 ** 16
// Of INT96: days of the Julian calendar up to 1970-01-01.
const julianEpoch = 2_440_588n

/**
 * How the stored values of a column become JSON (Apache Parquet format, LogicalTypes.md). Integers and decimals keep their
 * digits; times are RFC 3339 with all their fractions; text is text, JSON is what it says, all other bytes are base64; what
 * JSON has no number for is null. docs/formats.md lists all of them.
 * @throws ParquetFault when the schema contradicts itself
 */
export function storedAs(element: SchemaElement, findings: Findings): Stored {
  const { type, type_length: length = 0 } = element
  const widths = { BOOLEAN: 1, INT32: 4, INT64: 8, INT96: 12, FLOAT: 4, DOUBLE: 8, BYTE_ARRAY: 0 }
  if (!type) throw new ParquetFault(`the column "${element.name}" has no type`)
  const width = type === 'FIXED_LEN_BYTE_ARRAY' ? length : widths[type]
  if (type === 'FIXED_LEN_BYTE_ARRAY' && !(width > 0)) {
    throw new ParquetFault(`the column "${element.name}" has no length`)
  }
  return { type, width, read: readerOf(element, findings) }
}

/** The bytes of a part of a variant, which is decoded when all its parts are there. */
export const variantPart: Stored = {
  type: 'BYTE_ARRAY',
  width: 0,
  // What is read from a page stays there only for a while.
  read: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)) as unknown as Json,
}

function readerOf(element: SchemaElement, findings: Findings): ReadValue {
  const { type, type_length, converted_type: converted, logical_type: logical, scale } = element
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') {
    const digits = scale ?? (logical?.type === 'DECIMAL' ? logical.scale : 0)
    if (Math.abs(digits) > 10_000) throw new ParquetFault(`the column "${element.name}" has a scale of ${digits}`)
    if (type === 'INT32') return (bytes, at) => decimal(BigInt(bytes.readInt32LE(at)), digits)
    if (type === 'INT64') return (bytes, at) => decimal(bytes.readBigInt64LE(at), digits)
    return (bytes, start, end) => decimal(signed(bytes, start, end), digits)
  }
  switch (type) {
    case 'BOOLEAN':
      return (bytes, at) => bytes[at] === 1
    case 'FLOAT':
      return (bytes, at) => finite(bytes.readFloatLE(at))
    case 'DOUBLE':
      return (bytes, at) => finite(bytes.readDoubleLE(at))
    case 'INT96':
      return (bytes, at) => {
        const days = BigInt(bytes.readInt32LE(at + 8)) - julianEpoch
        return time(days * 86_400_000_000_000n + bytes.readBigInt64LE(at), 1_000_000_000n)
      }
    case 'INT32':
    case 'INT64':
      return readerOfIntegers(element)
    default:
      return readerOfBytes(element, { converted, logical, length: type_length }, findings)
  }
}

function readerOfIntegers({ type, converted_type: converted, logical_type: logical }: SchemaElement): ReadValue {
  const isWide = type === 'INT64'
  if (converted === 'DATE' || logical?.type === 'DATE') {
    return isWide ? (bytes, at) => integer(bytes.readBigInt64LE(at)) : (bytes, at) => day(bytes.readInt32LE(at))
  }
  const unit = unitOf(converted, logical)
  if (unit) {
    const write = unit.isClock ? clock : time
    if (isWide) return (bytes, at) => write(bytes.readBigInt64LE(at), unit.perSecond)
    return (bytes, at) => write(BigInt(bytes.readInt32LE(at)), unit.perSecond)
  }
  const isUnsigned = converted?.startsWith('UINT_') || (logical?.type === 'INTEGER' && !logical.isSigned)
  if (!isWide) return isUnsigned ? (bytes, at) => bytes.readUInt32LE(at) : (bytes, at) => bytes.readInt32LE(at)
  if (isUnsigned) return (bytes, at) => integer(bytes.readBigUInt64LE(at))
  return (bytes, at) => {
    const high = bytes.readInt32LE(at + 4)
    // Most integers need no bigint on their way.
    if (high > -(2 ** 21) && high < 2 ** 21) return high * 2 ** 32 + bytes.readUInt32LE(at)
    return integer(bytes.readBigInt64LE(at))
  }
}

function readerOfBytes(
  { name }: SchemaElement,
  { converted, logical, length }: { converted?: string; logical?: SchemaElement['logical_type']; length?: number },
  findings: Findings,
): ReadValue {
  const base64: ReadValue = (bytes, start, end) => {
    if (end - start > largeText) findings.any = true
    return bytes.toString('base64', start, end)
  }
  if (logical?.type === 'UUID' && length === 16) return uuid
  if (logical?.type === 'FLOAT16' && length === 2) return (bytes, at) => finite(float16(bytes.readUInt16LE(at)))
  if (logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY') {
    return (bytes, start, end) => geometry(bytes, start, end) ?? base64(bytes, start, end)
  }
  const text = (bytes: Buffer, start: number, end: number): string | BadValue => {
    if (end - start > largeText) findings.any = true
    const read = textOf(bytes, start, end)
    if (read !== undefined) return read
    findings.any = true
    return new BadValue('NOT_UTF8', `The text in the column "${name}" is not UTF-8.`)
  }
  const isJson = converted === 'JSON' || logical?.type === 'JSON'
  const isText = converted === 'UTF8' || converted === 'ENUM' || logical?.type === 'STRING' || logical?.type === 'ENUM'
  if (isText) return text as ReadValue
  if (!isJson) return base64
  return (bytes, start, end) => {
    const read = text(bytes, start, end)
    return typeof read === 'string' ? embedded(read) : (read as unknown as Json)
  }
}

/** Well-known binary (ISO 19125) as GeoJSON; undefined if it is damaged, or of a kind that GeoJSON does not have. */
function geometry(bytes: Buffer, start: number, end: number): Json | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start)
    return parseJson(JSON.stringify(wkbToGeojson({ view, offset: 0 })))
  } catch {
    return undefined
  }
}

function unitOf(converted: SchemaElement['converted_type'], logical: SchemaElement['logical_type']) {
  const isClock = converted?.startsWith('TIME_') || logical?.type === 'TIME'
  if (logical?.type === 'TIMESTAMP' || logical?.type === 'TIME') {
    return { isClock, perSecond: { MILLIS: 1_000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n }[logical.unit] }
  }
  if (converted === 'TIMESTAMP_MILLIS' || converted === 'TIME_MILLIS') return { isClock, perSecond: 1_000n }
  if (converted === 'TIMESTAMP_MICROS' || converted === 'TIME_MICROS') return { isClock, perSecond: 1_000_000n }
  return undefined
}

function embedded(text: string): Json {
  try {
    return parseJson(text)
  } catch {
    return text
  }
}

/** A number of IEEE 754 with 16 bits. */
function float16(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1_023]
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1_024) * 2 ** (exponent - 15))
}

/** Two's complement, the highest byte first. */
function signed(bytes: Buffer, start: number, end: number): bigint {
  if (start === end) return 0n
  return BigInt.asIntN((end - start) * 8, BigInt(`0x${bytes.toString('hex', start, end)}`))
}
