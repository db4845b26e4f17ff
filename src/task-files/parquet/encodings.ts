import type { Json } from '../../json.ts'
import { DeltaIntegers } from './delta.ts'
import type { Dictionary, ReadValue, Stored } from './dictionary.ts'
import { ParquetFault } from './fault.ts'
import { maxPageBytes, type PageHeader } from './page-header.ts'
import { Runs } from './runs.ts'

/** The next `count` values of a page, nulls left out. @throws ParquetFault when there are fewer */
export type TakeValues = (count: number) => Json[]

/** Opens the values of a page, which begin at `from`. */
export function valuesOf(
  bytes: Buffer,
  from: number,
  { encoding, values: most }: PageHeader,
  { stored, dictionary }: { stored: Stored; dictionary: Dictionary | undefined },
): TakeValues {
  const { type, read } = stored
  switch (encoding) {
    case 'PLAIN':
      return type === 'BOOLEAN' ? bits(bytes, from, read) : plain(bytes, from, stored)
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY':
      return indexes(bytes, from, dictionary)
    case 'RLE':
      if (type === 'BOOLEAN') return runsOfBits(bytes, from, read)
      break
    case 'DELTA_BINARY_PACKED':
      if (type === 'INT32' || type === 'INT64') return deltas(bytes, from, most, stored)
      break
    case 'DELTA_LENGTH_BYTE_ARRAY':
      if (type === 'BYTE_ARRAY') return lengthsFirst(bytes, from, most, read)
      break
    case 'DELTA_BYTE_ARRAY':
      if (type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY') return prefixed(bytes, from, most, stored)
      break
    case 'BYTE_STREAM_SPLIT':
      if (stored.width > 0) return split(bytes, from, stored)
  }
  throw new ParquetFault(`the encoding ${encoding} of ${type} is not supported`, 'UNSUPPORTED_PARQUET')
}

function plain(bytes: Buffer, from: number, { width, read }: Stored): TakeValues {
  let at = from
  if (width > 0) {
    return (count) => {
      if (at + count * width > bytes.length) throw damaged()
      const values: Json[] = []
      for (let n = 0; n < count; n++, at += width) values.push(read(bytes, at, at + width))
      return values
    }
  }
  return (count) => {
    const values: Json[] = []
    for (let n = 0; n < count; n++) {
      const start = at + 4
      if (start > bytes.length) throw damaged()
      at = start + bytes.readUInt32LE(at)
      if (at > bytes.length) throw damaged()
      values.push(read(bytes, start, at))
    }
    return values
  }
}

function bits(bytes: Buffer, from: number, read: ReadValue): TakeValues {
  const bit = Buffer.alloc(1)
  let seen = 0
  return (count) => {
    if (from + Math.ceil((seen + count) / 8) > bytes.length) throw damaged()
    return Array.from({ length: count }, () => {
      bit[0] = (bytes[from + (seen >>> 3)]! >>> (seen & 7)) & 1
      seen++
      return read(bit, 0, 1)
    })
  }
}

/** The runs of booleans follow their length in bytes, in pages of both versions. */
function runsOfBits(bytes: Buffer, from: number, read: ReadValue): TakeValues {
  if (from + 4 > bytes.length) throw damaged()
  const runs = new Runs(bytes, { from: from + 4, to: from + 4 + bytes.readUInt32LE(from), width: 1 })
  return (count) => {
    const some = Buffer.alloc(count)
    runs.read(some, count)
    return Array.from({ length: count }, (_, n) => read(some, n, n + 1))
  }
}

function indexes(bytes: Buffer, from: number, dictionary: Dictionary | undefined): TakeValues {
  if (!dictionary) throw new ParquetFault('the dictionary of a page is missing')
  if (from >= bytes.length) throw damaged()
  const runs = new Runs(bytes, { from: from + 1, to: bytes.length, width: bytes[from]! })
  let some = new Uint32Array(256)
  return (count) => {
    if (some.length < count) some = new Uint32Array(count)
    runs.read(some, count)
    const values: Json[] = []
    for (let n = 0; n < count; n++) values.push(dictionary.value(some[n]!))
    return values
  }
}

function deltas(bytes: Buffer, from: number, most: number, { width, read }: Stored): TakeValues {
  const integers = new DeltaIntegers(bytes, from, most)
  const one = Buffer.alloc(8)
  return (count) => {
    const values: Json[] = []
    for (let n = 0; n < count; n++) {
      one.writeBigInt64LE(integers.next())
      values.push(read(one, 0, width))
    }
    return values
  }
}

function lengthsFirst(bytes: Buffer, from: number, most: number, read: ReadValue): TakeValues {
  const integers = new DeltaIntegers(bytes, from, most)
  const lengths = integers.lengths()
  let [next, at] = [0, integers.end]
  return (count) => {
    if (next + count > lengths.length) throw damaged()
    return Array.from({ length: count }, () => {
      const start = at
      at += lengths[next++]!
      if (at > bytes.length) throw damaged()
      return read(bytes, start, at)
    })
  }
}

/**
 * Texts that each begin as the one before them (Encodings.md, "DELTA_BYTE_ARRAY = 7"): no beginning may be longer than that
 * text, and all together may have no more bytes than a page, since a few bytes can claim any number.
 */
function prefixed(bytes: Buffer, from: number, most: number, { width, read }: Stored): TakeValues {
  const first = new DeltaIntegers(bytes, from, most)
  const prefixes = first.lengths()
  const second = new DeltaIntegers(bytes, first.end, most)
  const suffixes = second.lengths()
  let [length, total] = [0, 0]
  for (const [n, prefix] of prefixes.entries()) {
    if (n >= suffixes.length || prefix > length) throw damaged()
    length = prefix + suffixes[n]!
    if (width > 0 && length !== width) throw damaged()
    total += length
    if (total > maxPageBytes) throw new ParquetFault(`a page has values of more than ${maxPageBytes} bytes`)
  }
  let [next, at] = [0, second.end]
  let value = Buffer.alloc(0)
  return (count) => {
    if (next + count > prefixes.length) throw damaged()
    return Array.from({ length: count }, () => {
      const prefix = prefixes[next]!
      const end = prefix + suffixes[next++]!
      if (at + end - prefix > bytes.length) throw damaged()
      if (value.length < end) value = Buffer.concat([value.subarray(0, prefix)], end * 2)
      at += bytes.copy(value, prefix, at, at + end - prefix)
      return read(value, 0, end)
    })
  }
}

/** The first bytes of all values, then all second ones, and so on (Encodings.md, "BYTE_STREAM_SPLIT = 9"). */
function split(bytes: Buffer, from: number, { width, read }: Stored): TakeValues {
  const stride = (bytes.length - from) / width
  if (!Number.isInteger(stride)) throw damaged()
  const one = Buffer.alloc(width)
  let next = 0
  return (count) => {
    if (next + count > stride) throw damaged()
    return Array.from({ length: count }, () => {
      for (let part = 0; part < width; part++) one[part] = bytes[from + part * stride + next]!
      next++
      return read(one, 0, width)
    })
  }
}

const damaged = () => new ParquetFault('the data of a page is damaged')
