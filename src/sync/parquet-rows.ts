import { type FileMetaData, parquetSchema } from 'hyparquet'
import { assembleNested } from 'hyparquet/src/assemble.js'
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js'
import { getTreePath } from 'hyparquet/src/schema.js'
import type { JsonObject } from '../json.ts'
import type { FileBytes } from './parquet.ts'
import { ParquetColumn } from './parquet-column.ts'
import { plainJson, withNulls } from './parquet-values.ts'

/** Reads the rows of one row group, in their order. */
export interface RowReader {
  /** The next `count` rows. @throws Error when there are not so many */
  take(count: number): Promise<JsonObject[]>
}

// A row group up to this size is read by one request; of a larger one, so many bytes are held in all columns together.
const heldBytes = 4 * 2 ** 20
const minWindowBytes = 64 * 2 ** 10

/** Opens a row group. @throws Error when what the footer says of it cannot be */
export async function openRows(file: FileBytes, metadata: FileMetaData, rowGroup: number): Promise<RowReader> {
  const schema = parquetSchema(metadata)
  if (!(metadata.row_groups[rowGroup]!.num_rows >= 0)) throw new Error('a row group has less than no rows')
  const chunks = metadata.row_groups[rowGroup]!.columns.map(({ meta_data: meta, file_path }) => {
    if (!meta || file_path) throw new Error('its columns are in other files')
    const start = Number(meta.dictionary_page_offset || meta.data_page_offset)
    const end = start + Number(meta.total_compressed_size)
    if (!(start >= 4 && start <= end && end <= file.byteLength)) throw new Error('a column lies outside of the file')
    return { meta, start, end, schemaPath: getTreePath(schema, meta.path_in_schema) }
  })
  if (chunks.length === 0) throw new Error('it has no columns')
  const source = await heldAtOnce(file, chunks)
  const windowBytes = Math.max(minWindowBytes, Math.floor(heldBytes / chunks.length))
  const fields = schema.children.flatMap((field) => {
    const leaves = chunks
      .filter(({ meta }) => meta.path_in_schema[0] === field.element.name)
      .map((chunk) => ({
        path: chunk.meta.path_in_schema.join('.'),
        column: new ParquetColumn(source, chunk, windowBytes),
      }))
    return leaves.length === 0 ? [] : [{ field, leaves, isVariant: JSON.stringify(field).includes('"VARIANT"') }]
  })
  const leaves = fields.flatMap((field) => field.leaves)

  return {
    async take(count) {
      const taken = await Promise.all(leaves.map(({ column }) => column.take(count)))
      if (taken.some(({ length }) => length < count)) throw new Error('it has fewer rows than its footer says')
      const values = new Map(leaves.map(({ path }, n) => [path, taken[n]!]))
      const columns = fields.map(({ field, isVariant }) => {
        const name = field.element.name
        if (field.children.length > 0) assembleNested(values, field, DEFAULT_PARSERS)
        const column = values.get(name) as unknown[]
        if (field.children.length === 0) return { name, column }
        return { name, column: column.map(isVariant ? plainJson : withNulls) }
      })
      return Array.from({ length: count }, (_, n) => {
        const row: Record<string, unknown> = {}
        for (const { name, column } of columns) row[name] = column[n] ?? null
        return row as JsonObject
      })
    },
  }
}

/** The file itself, or, if the chunks are small and close together, their bytes alone, already read. */
async function heldAtOnce(file: FileBytes, chunks: { start: number; end: number }[]): Promise<FileBytes> {
  const from = Math.min(...chunks.map(({ start }) => start))
  const to = Math.max(...chunks.map(({ end }) => end))
  if (to - from > heldBytes) return file
  const bytes = await file.slice(from, to)
  return { byteLength: file.byteLength, slice: async (start, end = to) => bytes.slice(start - from, end - from) }
}
