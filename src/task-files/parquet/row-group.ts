import type { FileMetaData, SchemaTree } from 'hyparquet'
import type { JsonObject } from '../../json.ts'
import { type Assembler, assembler } from './assemble.ts'
import type { Findings } from './bad-value.ts'
import { ParquetColumn } from './column.ts'
import { ParquetFault } from './fault.ts'
import type { FileBytes } from './file-bytes.ts'
import { MemoryBudget, type PagePlace, Pages } from './pages.ts'
import { put } from './put.ts'
import type { LeafOf } from './schema.ts'

/** Reads the rows of one row group, in their order. */
interface RowReader {
  /** The next `count` rows. @throws ParquetFault if there are fewer */
  take(count: number): Promise<JsonObject[]>
  /** Recommended number of rows per call. */
  rowsAtOnce: number
}

// A row group up to this size is read by one request. Of a larger one, this number of bytes is in memory for all columns together.
const heldBytes = 4 * 2 ** 20
const minWindowBytes = 64 * 2 ** 10
// Rows that are put together at a time, and the bytes of values that they should have.
const mostRows = 250
const rowsBytes = 8 * 2 ** 20

type RowGroup = FileMetaData['row_groups'][number]

/** Opens a row group. @throws ParquetFault when what the footer says of it cannot be */
export async function openRows(
  file: FileBytes,
  { columns, num_rows }: RowGroup,
  {
    fields,
    leaves,
    ...options
  }: { fields: SchemaTree[]; leaves: LeafOf[]; findings: Findings; maxInlineBytes: number },
): Promise<RowReader> {
  if (columns.length !== leaves.length) throw new ParquetFault('it does not have the columns of the schema')
  const places = columns.map((column, n) => placeOf(column, leaves[n]!, file.byteLength))
  const source = await heldAtOnce(file, places)
  const windowBytes = Math.max(minWindowBytes, Math.floor(heldBytes / places.length))
  const budget = new MemoryBudget()
  const columnOf = new Map(
    leaves.map(({ field, leaf }, n) => [
      field,
      new ParquetColumn(new Pages(source, places[n]!, windowBytes, budget), leaf),
    ]),
  )
  const readers = fields.map((field) =>
    readerOf(field, leaves, { ...options, columnOf: (leaf) => columnOf.get(leaf)! }),
  )
  const names = fields.map(({ element }) => element.name)
  const isOrdinary = !names.includes('__proto__')
  const unpacked = columns.reduce((sum, { meta_data: meta }) => sum + Number(meta!.total_uncompressed_size), 0)

  return {
    rowsAtOnce: Math.max(1, Math.min(mostRows, Math.floor(rowsBytes / (unpacked / Number(num_rows))) || 1)),
    async take(count) {
      const values = await Promise.all(readers.map((reader) => reader.take(count)))
      return Array.from({ length: count }, (_, n) => {
        const row: JsonObject = {}
        for (let field = 0; field < names.length; field++) {
          const name = names[field]!
          if (isOrdinary) row[name] = values[field]!(n)
          else put(row, name, values[field]!(n))
        }
        return row
      })
    },
  }
}

/** Reads the values of a field for the next rows; they are then taken row by row. */
function readerOf(
  field: SchemaTree,
  leaves: LeafOf[],
  options: Parameters<typeof assembler>[1],
): { take(count: number): Promise<(row: number) => JsonObject[string]> } {
  if (field.children.length === 0 && field.element.repetition_type !== 'REPEATED') {
    return {
      async take(count) {
        const values = await options.columnOf(field).take(count)
        return (row) => values[row]!
      },
    }
  }
  const columns = leaves.filter(({ path }) => path[0] === field).map((leaf) => options.columnOf(leaf.field))
  const whole: Assembler = assembler(field, options)
  return {
    async take(count) {
      await Promise.all(columns.map((column) => column.fill(count)))
      return () => {
        const value = whole.next()
        for (const { entries } of columns) {
          if ((entries.repetitions[entries.at] ?? 0) !== 0) {
            throw new ParquetFault(`the columns of "${field.element.name}" do not fit together`)
          }
        }
        return value
      }
    },
  }
}

function placeOf(column: RowGroup['columns'][number], { name }: LeafOf, fileBytes: number): PagePlace {
  const { meta_data: meta, file_path, crypto_metadata } = column
  if (crypto_metadata) throw new ParquetFault(`the column "${name}" is encrypted`, 'ENCRYPTED_PARQUET')
  if (file_path) throw new ParquetFault('its columns are in other files', 'UNSUPPORTED_PARQUET')
  if (!meta) throw new ParquetFault(`the footer does not say where the column "${name}" is`)
  const data = Number(meta.data_page_offset)
  const dictionary = Number(meta.dictionary_page_offset ?? 0)
  const start = dictionary > 0 && dictionary < data ? dictionary : data
  const end = start + Number(meta.total_compressed_size)
  if (!(start >= 4 && start <= end && end <= fileBytes)) {
    throw new ParquetFault(`the column "${name}" lies outside of the file`)
  }
  const values = Number(meta.num_values)
  if (!(values >= 0)) throw new ParquetFault(`the footer says that the column "${name}" has ${values} values`)
  return { start, end, values, codec: meta.codec }
}

/** The file itself, or, if the columns are small and close together, their bytes alone, already read. */
async function heldAtOnce(file: FileBytes, places: PagePlace[]): Promise<FileBytes> {
  const from = Math.min(...places.map(({ start }) => start))
  const to = Math.min(file.byteLength, Math.max(...places.map(({ end }) => end)) + 100)
  if (to - from > heldBytes) return file
  const bytes = await file.slice(from, to)
  return { byteLength: to, slice: async (start, end = to) => bytes.slice(start - from, end - from) }
}
