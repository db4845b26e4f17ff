import { isJsonObject, type Json } from '../../json.ts'
import { BadValue, type Findings, maxRowBytes } from './bad-value.ts'
import { put } from './put.ts'
import { clock, day, decimal, finite, integer, time, uuid } from './scalars.ts'
import { textOf } from './text.ts'

/** A variant, a field or an element of one, as its columns hold it. Neither `value` nor `typed`: it is not there. */
export interface RawVariant {
  value: Buffer | null
  typed: { scalar: Json } | { items: (RawVariant | null)[] } | { fields: [string, RawVariant | null][] } | null
}

const maxDepth = 200
const micros = 1_000_000n
const nanos = 1_000_000_000n

class Damaged extends Error {}
class Unsupported extends Error {}
class TooLarge extends Error {}
class NotUtf8 extends Error {}

// Most rows of a file share one list of names.
const namesOf = new WeakMap<Buffer, Json[]>()

/**
 * The JSON of a variant (Apache Parquet format, VariantEncoding.md and VariantShredding.md). Its scalars become what columns
 * of the same types become. A `BadValue` if it is damaged, or of a kind that is not known yet.
 */
export function variantJson(metadata: Json, raw: RawVariant, column: string, findings: Findings): Json {
  try {
    if (!Buffer.isBuffer(metadata)) throw new Damaged()
    const names = namesOf.get(metadata) ?? readNames(metadata)
    namesOf.set(metadata, names)
    return new VariantReader(names).build(raw, 0) ?? null
  } catch (error) {
    findings.any = true
    const of = `The variant in the column "${column}"`
    if (error instanceof Unsupported) return bad('UNSUPPORTED_PARQUET', `${of} has a type that is not supported.`)
    if (error instanceof NotUtf8) return bad('NOT_UTF8', `${of} has text that is not UTF-8.`)
    if (error instanceof TooLarge) return bad('TASK_TOO_LARGE', `${of} is too large or too deep.`)
    // Reads past the end throw RangeErrors of the library.
    if (error instanceof Damaged || error instanceof RangeError) return bad('BROKEN_PARQUET', `${of} is damaged.`)
    throw error
  }
}

const bad = (...[code, message]: ConstructorParameters<typeof BadValue>) =>
  new BadValue(code, message) as unknown as Json

function readNames(bytes: Buffer): Json[] {
  const head = bytes.readUInt8(0)
  if ((head & 15) !== 1) throw new Unsupported()
  const size = (head >> 6) + 1
  const count = bytes.readUIntLE(1, size)
  const texts = 1 + size * (count + 2)
  if (texts > bytes.length) throw new Damaged()
  const at = (n: number) => texts + bytes.readUIntLE(1 + size * (n + 1), size)
  return Array.from({ length: count }, (_, n) => textIn(bytes, at(n), at(n + 1)))
}

function textIn(bytes: Buffer, start: number, end: number): string {
  if (start > end || end > bytes.length) throw new Damaged()
  const text = textOf(bytes, start, end)
  if (text === undefined) throw new NotUtf8()
  return text
}

class VariantReader {
  readonly #names: Json[]
  #weight = 0

  constructor(names: Json[]) {
    this.#names = names
  }

  build({ value, typed }: RawVariant, depth: number): Json | undefined {
    if (typed === null) return value === null ? undefined : this.#read(value, 0, depth)
    if ('scalar' in typed) return typed.scalar
    if ('items' in typed) return typed.items.map((item) => (item && this.build(item, depth + 1)) ?? null)
    // Fields that have no columns of their own are in the value.
    const rest = value === null ? {} : this.#read(value, 0, depth)
    const object = isJsonObject(rest) ? rest : {}
    for (const [name, field] of typed.fields) {
      const built = field === null ? undefined : this.build(field, depth + 1)
      if (built !== undefined) put(object, name, built)
    }
    return object
  }

  #read(bytes: Buffer, at: number, depth: number): Json {
    // Offsets may lead to the same bytes again and again.
    this.#count(8)
    if (depth > maxDepth) throw new TooLarge()
    const head = bytes.readUInt8(at)
    const kind = head >> 2
    switch (head & 3) {
      case 0:
        return this.#scalar(bytes, at + 1, kind)
      case 1:
        return this.#text(bytes, at + 1, kind)
      case 2: {
        const sizes = { offset: (kind & 3) + 1, id: ((kind >> 2) & 3) + 1, count: kind & 16 ? 4 : 1 }
        const count = bytes.readUIntLE(at + 1, sizes.count)
        const ids = at + 1 + sizes.count
        const offsets = ids + count * sizes.id
        const values = offsets + (count + 1) * sizes.offset
        if (values > bytes.length) throw new Damaged()
        const object: Record<string, Json> = {}
        for (let n = 0; n < count; n++) {
          const name = this.#names[bytes.readUIntLE(ids + n * sizes.id, sizes.id)]
          if (typeof name !== 'string') throw new Damaged()
          put(
            object,
            name,
            this.#read(bytes, values + bytes.readUIntLE(offsets + n * sizes.offset, sizes.offset), depth + 1),
          )
        }
        return object
      }
      default: {
        const sizes = { offset: (kind & 3) + 1, count: kind & 4 ? 4 : 1 }
        const count = bytes.readUIntLE(at + 1, sizes.count)
        const offsets = at + 1 + sizes.count
        const values = offsets + (count + 1) * sizes.offset
        if (values > bytes.length) throw new Damaged()
        return Array.from({ length: count }, (_, n) =>
          this.#read(bytes, values + bytes.readUIntLE(offsets + n * sizes.offset, sizes.offset), depth + 1),
        )
      }
    }
  }

  #scalar(bytes: Buffer, at: number, kind: number): Json {
    switch (kind) {
      case 0:
        return null
      case 1:
        return true
      case 2:
        return false
      case 3:
        return bytes.readInt8(at)
      case 4:
        return bytes.readInt16LE(at)
      case 5:
        return bytes.readInt32LE(at)
      case 6:
        return integer(bytes.readBigInt64LE(at))
      case 7:
        return finite(bytes.readDoubleLE(at))
      case 8:
        return decimal(BigInt(bytes.readInt32LE(at + 1)), bytes.readUInt8(at))
      case 9:
        return decimal(bytes.readBigInt64LE(at + 1), bytes.readUInt8(at))
      case 10:
        return decimal((bytes.readBigInt64LE(at + 9) << 64n) | bytes.readBigUInt64LE(at + 1), bytes.readUInt8(at))
      case 11:
        return day(bytes.readInt32LE(at))
      case 12:
      case 13:
        return time(bytes.readBigInt64LE(at), micros)
      case 14:
        return finite(bytes.readFloatLE(at))
      case 15: {
        const end = at + 4 + bytes.readUInt32LE(at)
        if (end > bytes.length) throw new Damaged()
        this.#count(end - at)
        return bytes.toString('base64', at + 4, end)
      }
      case 16:
        return this.#text(bytes, at + 4, bytes.readUInt32LE(at))
      case 17:
        return clock(bytes.readBigInt64LE(at), micros)
      case 18:
      case 19:
        return time(bytes.readBigInt64LE(at), nanos)
      case 20:
        if (at + 16 > bytes.length) throw new Damaged()
        return uuid(bytes, at)
      default:
        throw new Unsupported()
    }
  }

  #text(bytes: Buffer, start: number, length: number): string {
    this.#count(length)
    return textIn(bytes, start, start + length)
  }

  #count(weight: number): void {
    this.#weight += weight
    if (this.#weight > maxRowBytes) throw new TooLarge()
  }
}
