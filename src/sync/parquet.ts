import { SluiceError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { ObjectBody, Provider } from '../providers/provider.ts'
import type { Element } from './elements.ts'
import type { RowReader } from './parquet-rows.ts'
import { rowTaskOf } from './parse-task.ts'
import { bodyChunks } from './read-body.ts'

/** Bytes of a file, by place. */
export interface FileBytes {
  byteLength: number
  /** May put them into `into`, from its beginning, and return that, where it is large enough. */
  slice(start: number, end?: number, into?: ArrayBuffer): Promise<ArrayBuffer>
}

interface ReadOptions {
  signal: AbortSignal
  countRead: (bytes: number) => void
}

// A file up to this size is read by one request.
const wholeBytes = 4 * 2 ** 20
// No honest footer, and no honest page, is larger.
const maxSliceBytes = 256 * 2 ** 20
// Rows that are put together at a time.
const rowsAtOnce = 250

/**
 * The rows of a Parquet file, row group by row group. Only the footer and what is decoded next are read, by ranges, and all
 * of them from the same version of the object; of each column, one page is held. `whole` are the bytes of the object, if
 * they are at hand.
 * @throws SluiceError BROKEN_PARQUET when the file is damaged; PRECONDITION_FAILED when the object was replaced meanwhile;
 *   as `Provider.read` does. Rows before that have been yielded.
 */
export async function* parquetRows(
  provider: Provider,
  key: string,
  object: Pick<ObjectBody, 'size' | 'etag'> & { whole: Buffer | undefined },
  options: ReadOptions,
): AsyncGenerator<Element> {
  const file = object.whole ? inMemory(object.whole) : remote(provider, key, object, options)
  // Loaded when the first file wants them.
  const [{ parquetMetadataAsync }, { openRows }] = await Promise.all([import('hyparquet'), import('./parquet-rows.ts')])
  const metadata = await mended(options.signal, () => parquetMetadataAsync(file, { geoparquet: false }))
  for (const [rowGroup, { num_rows }] of metadata.row_groups.entries()) {
    const reader: RowReader = await mended(options.signal, () => openRows(file, metadata, rowGroup))
    for (let row = 0; row < Number(num_rows); ) {
      const rows: JsonObject[] = await mended(options.signal, () =>
        reader.take(Math.min(rowsAtOnce, Number(num_rows) - row)),
      )
      for (const value of rows) yield { rowGroup, row: row++, parse: () => rowTaskOf(value) }
    }
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
    for await (const chunk of bodyChunks(part, countRead)) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return bytes.buffer
  }
  let whole: Promise<ArrayBuffer> | undefined
  return {
    byteLength: size,
    async slice(start, end = size, into) {
      if (end - start > maxSliceBytes) throw new Error(`a part of ${end - start} bytes is too large`)
      if (size > wholeBytes) return read(start, end, into)
      whole ??= read(0, size)
      return (await whole).slice(start, end)
    },
  }
}

/** The library throws whatever comes of bytes that it cannot read; our faults, and an abort, pass. */
async function mended<T>(signal: AbortSignal, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof SluiceError || signal.aborted) throw error
    const words = `The Parquet file cannot be read: ${(error as Error).message}.`
    throw new SluiceError('BROKEN_PARQUET', words, { cause: error })
  }
}
