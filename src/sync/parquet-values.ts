import { DEFAULT_PARSERS, parseFloat16 } from 'hyparquet/src/convert.js'
import type { SchemaElement, SchemaTree } from 'hyparquet/src/types.js'
import { isJsonObject, type Json, parseJson } from '../json.ts'

type Read = (value: never) => Json

const decoder = new TextDecoder()
const msPerDay = 86_400_000
// Of INT96: days of the Julian calendar up to 1970-01-01.
const julianEpoch = 2_440_588n

/**
 * How the stored values of a column become JSON (Apache Parquet format, LogicalTypes.md). Integers and decimals keep their
 * digits; times are RFC 3339 with all their fractions; text is text, JSON is what it says, all other bytes are base64; what
 * JSON has no number for is null.
 */
export function valueReader(schemaPath: SchemaTree[]): (value: unknown) => Json {
  const read = readerOf(schemaPath.at(-1)!.element)
  // The keys of a map become the names of fields.
  const isKey = schemaPath.at(-3)?.element.converted_type === 'MAP' && schemaPath.at(-1)!.element.name === 'key'
  return (value) => {
    if (value === undefined || value === null) return null
    const json = read(value as never)
    return isKey && typeof json === 'object' ? JSON.stringify(json) : json
  }
}

function readerOf({ type, type_length, converted_type: converted, logical_type: logical, scale }: SchemaElement): Read {
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') {
    const digits = scale ?? (logical?.type === 'DECIMAL' ? logical.scale : 0)
    return (value: bigint | number | Uint8Array) =>
      decimal(value instanceof Uint8Array ? signed(value) : BigInt(value), digits)
  }
  switch (type) {
    case 'BOOLEAN':
      return (value: boolean) => Boolean(value)
    case 'FLOAT':
    case 'DOUBLE':
      return finite
    case 'INT96':
      return (value: bigint) =>
        time(((value >> 64n) - julianEpoch) * 86_400_000_000_000n + BigInt.asUintN(64, value), 1_000_000_000n)
    case 'INT32':
    case 'INT64': {
      if (converted === 'DATE' || logical?.type === 'DATE') return (value: number) => day(value)
      const unit = unitOf(converted, logical)
      if (unit) return (value: bigint | number) => (unit.isClock ? clock : time)(BigInt(value), unit.perSecond)
      const isUnsigned = converted?.startsWith('UINT_') || (logical?.type === 'INTEGER' && !logical.isSigned)
      if (type === 'INT32') return isUnsigned ? (value: number) => value >>> 0 : (value: number) => value
      return isUnsigned ? (value: bigint) => integer(BigInt.asUintN(64, value)) : integer
    }
    default:
      if (logical?.type === 'UUID') return (value: Uint8Array) => DEFAULT_PARSERS.uuidFromBytes(value) ?? null
      if (logical?.type === 'FLOAT16' && type_length === 2) return (value: Uint8Array) => finite(parseFloat16(value)!)
      if (logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY') {
        return (value: Uint8Array) => plainJson(DEFAULT_PARSERS.geometryFromBytes(value))
      }
      if (converted === 'JSON' || logical?.type === 'JSON')
        return (value: Uint8Array) => embedded(decoder.decode(value))
      if (converted === 'UTF8' || converted === 'ENUM' || logical?.type === 'STRING' || logical?.type === 'ENUM') {
        return (value: Uint8Array) => decoder.decode(value)
      }
      return base64
  }
}

/** What the library has already made into objects of JavaScript, as JSON. */
export function plainJson(value: unknown): Json {
  const text = JSON.stringify(value ?? null, (_name, item) => {
    if (typeof item === 'bigint') return JSON.rawJSON(String(item))
    return item instanceof Uint8Array ? base64(item) : item
  })
  return parseJson(text)
}

/** The same value with null for what is missing in it. */
export function withNulls(value: unknown): Json {
  if (value === undefined || value === null) return null
  if (Array.isArray(value)) for (const [at, item] of value.entries()) value[at] = withNulls(item)
  else if (isJsonObject(value)) for (const name in value) value[name] = withNulls(value[name])
  return value as Json
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

const finite = (value: number) => (Number.isFinite(value) ? value : null)

const base64 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

const integer = (value: bigint): Json =>
  BigInt.asIntN(54, value) === value ? Number(value) : JSON.rawJSON(String(value))

function embedded(text: string): Json {
  try {
    return parseJson(text)
  } catch {
    return text
  }
}

const day = (days: number): Json =>
  Math.abs(days) <= 1e8 ? new Date(days * msPerDay).toISOString().replace(/T.*/, '') : days

function time(value: bigint, perSecond: bigint): Json {
  const fraction = ((value % perSecond) + perSecond) % perSecond
  const seconds = Number((value - fraction) / perSecond)
  if (Math.abs(seconds) > 8.64e12) return integer(value)
  return `${new Date(seconds * 1_000).toISOString().slice(0, -5)}.${padded(fraction, perSecond)}Z`
}

/** A time of day, which no more than 24 hours have. */
function clock(value: bigint, perSecond: bigint): Json {
  if (value < 0n || value >= 86_400n * perSecond) return integer(value)
  return (time(value, perSecond) as string).slice(11, -1)
}

const padded = (fraction: bigint, perSecond: bigint) => String(fraction).padStart(String(perSecond).length - 1, '0')

/** A number with `scale` digits behind the point; as digits, where a number of JavaScript would change them. */
function decimal(unscaled: bigint, scale: number): Json {
  if (scale <= 0) return integer(unscaled * 10n ** BigInt(-scale))
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const text = `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  const short = text.replace(/\.?0+$/, '')
  return String(Number(text)) === short ? Number(text) : JSON.rawJSON(text)
}

/** Two's complement, the highest byte first. */
function signed(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
}
