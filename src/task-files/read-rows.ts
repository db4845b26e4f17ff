import type { Transform } from 'node:stream'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { SluiceError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import { readRest } from '../providers/read-rest.ts'
import { codeOf } from '../unknown.ts'
import { csvElements, delimiterIn } from './csv.ts'
import { largeDatasetIssue } from './dataset.ts'
import { parquetRows } from './parquet-rows.ts'
import { parseTask } from './parse-task.ts'
import { bodyChunks, readWhole } from './read-body.ts'
import { type Element, maxTaskBytes } from './row.ts'
import { type JsonElement, JsonSplitter } from './split-json.ts'
import { checksumOf, readVerified, verifiedChunks } from './verified.ts'
import { versionlessChunks } from './versionless.ts'

// The `rowsPath` of a file that is one task.
const wholeObject = '$'
// An object up to this size is read in one piece, which costs less than to follow its chunks.
const smallBytes = 256 * 2 ** 10

/**
 * The rows of a task file, in order. The content decides the format: Parquet, or a JSON object, array or lines, also packed with
 * gzip or zstd. Only CSV and TSV are recognized by the name. One row of JSON, or a few pages of each Parquet column, are in memory
 * at a time. `countRead` receives the number of bytes read. If the storage returns a checksum of the object, rows are returned after
 * its verification; a large object waits on the disk until then, in `spoolFolder`. Parquet pages have their own checksums.
 * `rowsPath` leads to the rows of a file that is one JSON object, see the setting; null = the file is one task.
 * `maxInlineBytes`: see `parquetRows`.
 * @throws SluiceError when the file as a whole cannot be read (further); rows before that have been yielded.
 */
export async function* elementsOf(
  provider: Provider,
  key: string,
  options: {
    signal: AbortSignal
    countRead: (bytes: number) => void
    spoolFolder?: string | undefined
    rowsPath?: string | null | undefined
    maxInlineBytes?: number | undefined
  },
): AsyncGenerator<Element> {
  const object = await provider.read(key, { signal: options.signal })
  const isSmall = object.length <= smallBytes
  const { signal, countRead, spoolFolder: folder, rowsPath = null } = options
  const reading = { countRead, reopen: (sent: number) => readRest(provider, key, { opened: object, sent, signal }) }
  const checksum = checksumOf(object)
  const again = () => provider.read(key, { ifMatch: object.etag ?? undefined, signal })
  const readSmall = async (attempt: number) => readWhole(attempt === 1 ? object : await again(), reading)
  const whole: { bytes: Buffer; fault?: Error } | undefined = isSmall
    ? await (checksum ? readVerified(checksum, readSmall) : readSmall(1))
    : undefined
  const open = async (attempt: number) => bodyChunks(attempt === 1 ? object : await again(), reading)
  const stream = whole ? chunksOf(whole) : object.etag === null ? versionlessChunks(open) : await open(1)
  const head = whole ? whole.bytes : await peek(stream, 4)
  const readLarge = async (attempt: number) => (attempt === 1 ? joined(head, stream) : open(attempt))
  const largeChunks = () => (checksum ? verifiedChunks(checksum, { read: readLarge, folder }) : joined(head, stream))
  const chunks = whole ? stream : largeChunks()
  if (isParquet(head)) {
    await stream.return(undefined)
    yield* parquetRows(provider, key, { ...object, whole: intact(whole) }, options)
  } else if (isGzip(head) || isZstd(head)) {
    yield* textElements(key, unpacked(chunks, isGzip(head) ? 'BROKEN_GZIP' : 'BROKEN_ZSTD'), rowsPath)
  } else if (delimiterIn(key)) {
    yield* textElements(key, chunks, rowsPath)
  } else if (whole) {
    // Without a promise for each chunk.
    const splitter = splitterOf(rowsPath)
    for (const element of splitter.push(whole.bytes)) yield rowOf(element, rowsPath)
    if (whole.fault) throw whole.fault
    for (const element of splitter.end()) yield rowOf(element, rowsPath)
  } else {
    yield* jsonElements(chunks, rowsPath)
  }
}

/** Rows of CSV, if the name of the object says so, and it does not begin like JSON. */
async function* textElements(
  key: string,
  chunks: AsyncGenerator<Buffer>,
  rowsPath: string | null,
): AsyncGenerator<Element> {
  const delimiter = delimiterIn(key)
  if (!delimiter) return yield* jsonElements(chunks, rowsPath)
  const head = await peek(chunks, 4_096)
  const bytes = joined(head, chunks)
  if (/^\ufeff?\s*[[{]/.test(head.toString())) yield* jsonElements(bytes, rowsPath)
  else yield* csvElements(bytes, head, { delimiter, maxBytes: maxTaskBytes })
}

async function* jsonElements(chunks: AsyncIterable<Buffer>, rowsPath: string | null): AsyncGenerator<Element> {
  const splitter = splitterOf(rowsPath)
  for await (const chunk of chunks) {
    for (const element of splitter.push(chunk)) yield rowOf(element, rowsPath)
  }
  for (const element of splitter.end()) yield rowOf(element, rowsPath)
}

const splitterOf = (rowsPath: string | null) =>
  new JsonSplitter(maxTaskBytes, rowsPath === null || rowsPath === wholeObject ? undefined : rowsPath.split('.'))

function rowOf({ row, bytes, tooLarge, outline }: JsonElement, rowsPath: string | null): Element {
  const kind = row !== -1 ? 'ROW' : rowsPath === wholeObject ? 'WHOLE' : 'FILE'
  const parse = () => {
    if (tooLarge) {
      const dataset = kind === 'FILE' && outline ? largeDatasetIssue(outline) : undefined
      const message = `One task may have ${maxTaskBytes >> 20} MiB of JSON at most.`
      throw dataset ?? new SluiceError('TASK_TOO_LARGE', message)
    }
    return parseTask(bytes, kind)
  }
  return { rowGroup: -1, row, parse }
}

/** Bytes that are all there; a part of a file is worth another read. */
const intact = (whole: { bytes: Buffer; fault?: Error } | undefined) => (whole?.fault ? undefined : whole?.bytes)

// PARE: with an encrypted footer.
const isParquet = (head: Buffer) => ['PAR1', 'PARE'].includes(head.subarray(0, 4).toString('latin1'))
const isZstd = (head: Buffer) => head.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))
const isGzip = (head: Buffer) => head[0] === 0x1f && head[1] === 0x8b

async function* chunksOf({ bytes, fault }: { bytes: Buffer; fault?: Error }): AsyncGenerator<Buffer> {
  yield bytes
  if (fault) throw fault
}

/** The first `count` bytes or more, fewer only if there are no more. */
async function peek(bytes: AsyncGenerator<Buffer>, count: number): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let seen = 0; seen < count; ) {
    const next = await bytes.next()
    if (next.done) break
    parts.push(next.value)
    seen += next.value.length
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

async function* joined(head: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield head
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

async function* unpacked(bytes: AsyncGenerator<Buffer>, code: 'BROKEN_GZIP' | 'BROKEN_ZSTD'): AsyncGenerator<Buffer> {
  const unpack: Transform = (code === 'BROKEN_GZIP' ? createGunzip : createZstdDecompress)({ chunkSize: 2 ** 16 })
  const fed = pipeline(Readable.from(bytes, { highWaterMark: 1 }), unpack)
  // The same fault comes out of the loop below.
  fed.catch(() => {})
  try {
    for await (const chunk of unpack) yield chunk
  } catch (error) {
    const damaged = /^Z(STD)?_/.test(codeOf(error) ?? '')
    throw damaged ? new SluiceError(code, undefined, { cause: error }) : error
  } finally {
    unpack.destroy()
  }
}
