import { ParquetFault } from './fault.ts'

/** The fields of a struct by their number. Binary values are left out: no field that we need is one. */
export type Fields = (number | boolean | Fields | undefined)[]

const [stop, isTrue, isFalse, byte, i16, i32, i64, double, binary, list, set, , struct] = Array(13).keys()
const maxDepth = 16

/**
 * Reads one struct of Thrift's compact protocol (thrift-compact-protocol.md), as the headers of Parquet pages are.
 * @throws RangeError when `bytes` end before the struct does; ParquetFault when this is no such struct.
 */
export function readStruct(bytes: Buffer, start: number): { fields: Fields; end: number } {
  let at = start

  const next = () => {
    if (at >= bytes.length) throw new RangeError('the struct is longer than what was read of it')
    return bytes[at++]!
  }
  const varint = () => {
    let [value, scale] = [0, 1]
    for (let count = 0; count < 10; count++) {
      const part = next()
      value += (part & 0x7f) * scale
      if (part < 0x80) return value
      scale *= 128
    }
    throw notThrift()
  }
  // Exact up to 2^53, which is more than any count or size in a header may be.
  const integer = () => {
    const value = varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  const skip = (count: number) => {
    if (at + count > bytes.length) throw new RangeError('the struct is longer than what was read of it')
    at += count
  }
  const element = (type: number, depth: number): Fields[number] => {
    switch (type) {
      case isTrue:
        return true
      case isFalse:
        return false
      case byte:
        return (next() << 24) >> 24
      case i16:
      case i32:
      case i64:
        return integer()
      case double:
        return void skip(8)
      case binary:
        return void skip(varint())
      case list:
      case set: {
        const head = next()
        const size = head >> 4 === 15 ? varint() : head >> 4
        const itemType = head & 15
        for (let item = 0; item < size; item++)
          element(itemType === isTrue || itemType === isFalse ? byte! : itemType, depth)
        return undefined
      }
      case struct:
        return fieldsOf(depth + 1)
      default:
        throw notThrift()
    }
  }
  const fieldsOf = (depth: number): Fields => {
    if (depth > maxDepth) throw notThrift()
    const fields: Fields = []
    for (let id = 0; ; ) {
      const head = next()
      if (head === stop) return fields
      id = head >> 4 ? id + (head >> 4) : integer()
      // No struct of Parquet has more fields.
      if (!(id > 0 && id < 64)) throw notThrift()
      fields[id] = element(head & 15, depth)
    }
  }
  const fields = fieldsOf(0)
  return { fields, end: at }
}

const notThrift = () => new ParquetFault('the header of a page is damaged')
