import { SluiceError } from '../errors.ts'
import { type Json, parseJson } from '../json.ts'
import type { ObjectBody, Provider } from '../providers/provider.ts'
import type { Element } from './elements.ts'
import { taskOf } from './parse-task.ts'

// A larger row group is decoded in slices, each of which reads its columns anew.
const maxDecodedBytes = 64 * 2 ** 20

/**
 * The rows of a Parquet file, row group by row group. Only the footer and the row group at hand are read, by ranges, and all
 * of them from the same version of the object.
 * @throws SluiceError BROKEN_PARQUET when the file is damaged; as `Provider.read` does.
 */
export async function* parquetRows(
  provider: Provider,
  key: string,
  object: Pick<ObjectBody, 'size' | 'etag'>,
  { signal, countRead }: { signal: AbortSignal; countRead: (bytes: number) => void },
): AsyncGenerator<Element> {
  const [{ parquetMetadataAsync, parquetReadObjects }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ])
  const file = {
    byteLength: object.size,
    async slice(start: number, end = object.size): Promise<ArrayBuffer> {
      const range = { start, end: end - 1 }
      const part = await provider.read(key, { range, ifMatch: object.etag ?? undefined, signal })
      const bytes = new Uint8Array(part.length)
      let at = 0
      for await (const chunk of part.body) {
        bytes.set(chunk, at)
        at += chunk.length
      }
      countRead(at)
      if (at < part.length) throw new SluiceError('BODY_CUT')
      return bytes.buffer
    },
  }
  const metadata = await mended(() => parquetMetadataAsync(file))
  let groupStart = 0
  for (const [rowGroup, { num_rows, total_byte_size }] of metadata.row_groups.entries()) {
    const rows = Number(num_rows)
    const step = Math.max(1, Math.floor(rows / Math.max(1, Math.ceil(Number(total_byte_size) / maxDecodedBytes))))
    for (let from = 0; from < rows; from += step) {
      const rowStart = groupStart + from
      const rowEnd = groupStart + Math.min(rows, from + step)
      const values = await mended(() => parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd }))
      for (const [at, value] of values.entries()) {
        yield { rowGroup, row: from + at, parse: () => taskOf(asJson(value)) }
      }
    }
    groupStart += rows
  }
}

/** The library throws plain errors for what it cannot read; ours, and those of the storage, pass. */
async function mended<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof SluiceError || (error as { code?: string }).code !== undefined) throw error
    const words = `The Parquet file cannot be read: ${(error as Error).message}.`
    throw new SluiceError('BROKEN_PARQUET', words, { cause: error })
  }
}

/** Integers keep their digits, times become RFC 3339, bytes base64; what JSON has no number for is null. */
function asJson(value: Record<string, unknown>): Json {
  const text = JSON.stringify(value, (_name, item) => {
    if (typeof item === 'bigint') return JSON.rawJSON(String(item))
    if (item instanceof Uint8Array) return Buffer.from(item).toString('base64')
    return item
  })
  return parseJson(text)
}
