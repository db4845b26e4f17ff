import { SluiceError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { ObjectBody, Provider } from '../providers/provider.ts'
import { readRest } from '../providers/read-rest.ts'
import { checkRow, type Findings } from './parquet/bad-value.ts'
import { ParquetFault } from './parquet/fault.ts'
import type { FileBytes } from './parquet/file-bytes.ts'
import { type ParsedTask, rowTaskOf } from './parse-task.ts'
import { bodyChunks } from './read-body.ts'
import type { Element } from './row.ts'

interface ReadOptions {
  signal: AbortSignal
  countRead: (bytes: number) => void
  maxInlineBytes?: number | undefined
}

// A file up to this size is read by one request.
const wholeBytes = 4 * 2 ** 20
// No honest footer, and no honest page, is larger.
const maxSliceBytes = 256 * 2 ** 20
const defaultInlineBytes = 256 * 2 ** 10

/**
 * The rows of a Parquet file, row group by row group. Reads only the footer and the pages that are decoded next, by ranges of the
 * same version of the object. One page of each column is in memory. `whole` are the bytes of the object, if they were read already.
 * Images and sounds up to `maxInlineBytes` (default 256 KiB) become data URLs.
 * @throws SluiceError BROKEN_PARQUET if the file is damaged, UNSUPPORTED_PARQUET, ENCRYPTED_PARQUET, BAD_COLUMN_NAMES;
 *   PRECONDITION_FAILED if the object was replaced during the read; as `Provider.read`. Earlier rows have been yielded then.
 */
export async function* parquetRows(
  provider: Provider,
  key: string,
  object: Pick<ObjectBody, 'size' | 'etag'> & { whole: Buffer | undefined },
  options: ReadOptions,
): AsyncGenerator<Element> {
  const file = object.whole ? inMemory(object.whole) : remote(provider, key, object, options)
  const guard = <T>(read: () => Promise<T>, from?: { rowGroup: number; row: number }) =>
    explained(options.signal, read, from)
  // Loaded when the first file wants them.
  const [{ readFooter }, { readSchema }, { openRows }] = await Promise.all([
    import('./parquet/footer.ts'),
    import('./parquet/schema.ts'),
    import('./parquet/row-group.ts'),
  ])
  const metadata = await guard(() => readFooter(file))
  const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows))
  // A file without rows is valid.
  if (groups.every((rows) => rows === 0)) return
  const findings: Findings = { any: false }
  const { maxInlineBytes = defaultInlineBytes } = options
  const schema = await guard(async () => readSchema(metadata, findings))
  for (const [rowGroup, rows] of groups.entries()) {
    if (rows === 0) continue
    const reader = await guard(
      async () => {
        if (!(rows > 0)) throw new ParquetFault(`the footer says that it has ${rows} rows`)
        return openRows(file, metadata.row_groups[rowGroup]!, { ...schema, findings, maxInlineBytes })
      },
      { rowGroup, row: 0 },
    )
    for (let row = 0; row < rows; ) {
      const values = await guard(() => reader.take(Math.min(reader.rowsAtOnce, rows - row)), { rowGroup, row })
      const parse = findings.any ? (value: JsonObject) => parseChecked(value, maxInlineBytes) : parseRow
      for (const value of values) yield { rowGroup, row: row++, parse: () => parse(value) }
    }
  }
}

const parseRow = (row: JsonObject) => rowTaskOf(row)

function parseChecked(row: JsonObject, maxInlineBytes: number): ParsedTask {
  const omitted = checkRow(row)
  const task = rowTaskOf(row)
  if (omitted.length === 0) return task
  const more = omitted.length > 3 ? ` and ${omitted.length - 3} more` : ''
  const message = `Null in the task, because it has more bytes than maxInlineBytes (${maxInlineBytes}): ${omitted.slice(0, 3).join(', ')}${more}. Raise maxInlineBytes, delete the task and sync again, or store the media as objects of their own.`
  // A row has one issue.
  return {
    ...task,
    issue: new SluiceError('INLINE_TOO_LARGE', [message, task.issue?.message].filter(Boolean).join(' ')),
  }
}

function inMemory(bytes: Uint8Array): FileBytes {
  return {
    byteLength: bytes.length,
    slice: async (start, end = bytes.length) => new Uint8Array(bytes.subarray(start, end)).buffer,
  }
}

function remote(
  provider: Provider,
  key: string,
  { size, etag }: Pick<ObjectBody, 'size' | 'etag'>,
  { signal, countRead }: ReadOptions,
): FileBytes {
  const read = async (start: number, end: number, into?: ArrayBuffer) => {
    const range = { start, end: end - 1 }
    const part = await provider.read(key, { range, ifMatch: etag ?? undefined, signal })
    const bytes = new Uint8Array(into && into.byteLength >= part.length ? into : new ArrayBuffer(part.length))
    let at = 0
    const reopen = (sent: number) => readRest(provider, key, { opened: part, sent, signal })
    for await (const chunk of bodyChunks(part, { countRead, reopen })) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return bytes.buffer
  }
  let whole: Promise<ArrayBuffer> | undefined
  return {
    byteLength: size,
    async slice(start, end = size, into) {
      if (end - start > maxSliceBytes) throw new ParquetFault(`a part of ${end - start} bytes is too large`)
      if (size > wholeBytes) return read(start, end, into)
      whole ??= read(0, size)
      return (await whole).slice(start, end)
    },
  }
}

/**
 * Says in our own words what is wrong with a file, and from which row on its rows are missing; our faults, and an abort,
 * pass. Whatever else decoding throws comes of bytes that say something impossible.
 */
async function explained<T>(
  signal: AbortSignal,
  read: () => Promise<T>,
  from?: { rowGroup: number; row: number },
): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof SluiceError || signal.aborted) throw error
    const place = from
      ? ` from row group ${from.rowGroup}, row ${from.row} on (both count from 0). The rows before it were read`
      : ''
    const reason = error instanceof ParquetFault ? error.message : 'its data is damaged'
    const code = error instanceof ParquetFault ? error.code : 'BROKEN_PARQUET'
    throw new SluiceError(code, `The Parquet file cannot be read${place}: ${reason}.`, { cause: error })
  }
}
