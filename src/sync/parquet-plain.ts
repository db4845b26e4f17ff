import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js'
import { readPlain } from 'hyparquet/src/plain.js'
import { getMaxDefinitionLevel } from 'hyparquet/src/schema.js'
import type { ColumnDecoder, PageHeader } from 'hyparquet/src/types.js'

/** The next values of a page, in place of those that are there no longer; none at its end. */
export type PlainValues = (count: number) => unknown[]

/**
 * The values of a page that holds them one after another, made as they are taken: all those of a large page at once would
 * outlive a few collections of young memory, and wait in the old one for a full collection. Undefined for other pages.
 */
export function plainValues(
  page: Uint8Array,
  { data_page_header: first, data_page_header_v2: second }: PageHeader,
  { type, element, schemaPath }: ColumnDecoder,
  read: (value: unknown) => unknown,
): PlainValues | undefined {
  const header = first ?? second
  // Of a column below the top, a missing value takes more than its level; bits cannot be taken from within a byte.
  if (header?.encoding !== 'PLAIN' || schemaPath.length !== 2 || type === 'BOOLEAN') return undefined
  const reader = { view: new DataView(page.buffer, page.byteOffset, page.length), offset: 0 }
  const highest = getMaxDefinitionLevel(schemaPath)
  const levels = new Uint8Array(highest === 0 ? 0 : header.num_values)
  if (highest > 0) readRleBitPackedHybrid(reader, 1, levels, second?.definition_levels_byte_length)
  let at = 0
  return (count) => {
    const end = Math.min(header.num_values, at + count)
    const some = highest === 0 ? undefined : levels.subarray(at, end)
    const present = some ? some.reduce((sum, level) => sum + level, 0) : end - at
    const values = readPlain(reader, type, present, element.type_length)
    at = end
    if (!some || present === some.length) return Array.from(values as unknown[], read)
    let next = 0
    return Array.from(some, (level) => (level === 0 ? undefined : read(values[next++])))
  }
}
