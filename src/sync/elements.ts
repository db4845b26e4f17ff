import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { SluiceError } from '../errors.ts'
import { networkError } from '../providers/network-error.ts'
import type { Provider } from '../providers/provider.ts'
import { parquetRows } from './parquet.ts'
import { type ParsedTask, parseTask } from './parse-task.ts'
import { splitJson } from './split-json.ts'

/** One row of a task file. */
export interface Element {
  /** -1 outside of Parquet. */
  rowGroup: number
  /** -1 when the file is one task. */
  row: number
  /** @throws SluiceError when the row is no task. */
  parse(): ParsedTask
}

const maxTaskBytes = 64 * 2 ** 20
// Far below where the stacks of JavaScript and PostgreSQL end.
const maxDepth = 1_000

/**
 * The rows of a task file, in their order. What the file is, its bytes decide and not its name: Parquet, or JSON object,
 * array or lines, also gzipped. Holds one row of JSON at a time, or one row group of Parquet. `countRead` is told how many
 * bytes were read.
 * @throws SluiceError when the file as a whole cannot be read (further).
 */
export async function* elementsOf(
  provider: Provider,
  key: string,
  options: { signal: AbortSignal; countRead: (bytes: number) => void },
): AsyncGenerator<Element> {
  const { signal, countRead } = options
  const object = await provider.read(key, { signal })
  const bytes = counted(object.body, object.length, countRead)
  const head = await peek(bytes, 4)
  if (head.subarray(0, 4).toString('latin1') === 'PAR1') {
    await bytes.return(undefined)
    yield* parquetRows(provider, key, object, options)
    return
  }
  const whole = joined(head, bytes)
  const text = head[0] === 0x1f && head[1] === 0x8b ? gunzipped(whole) : whole
  for await (const { row, bytes: value, depth } of splitJson(text, maxTaskBytes)) {
    const parse = () => {
      if (depth > maxDepth) throw new SluiceError('NOT_A_TASK', `A task may be nested ${maxDepth} levels deep at most.`)
      return parseTask(value)
    }
    yield { rowGroup: -1, row, parse }
  }
}

/** The bytes of a body. One that ends early, or breaks off, is BODY_CUT. Leaving it frees the socket. */
async function* counted(body: Readable, length: number, countRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  let seen = 0
  try {
    for await (const chunk of body) {
      seen += chunk.length
      yield chunk
    }
  } catch (error) {
    const brokeOff = networkError(error) || (error as { code?: string }).code !== undefined
    throw brokeOff ? new SluiceError('BODY_CUT', undefined, { cause: error }) : error
  } finally {
    body.destroy()
    countRead(seen)
  }
  if (seen < length) throw new SluiceError('BODY_CUT')
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

async function* gunzipped(bytes: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  const fed = pipeline(Readable.from(bytes), gunzip)
  // The same fault comes out of the loop below.
  fed.catch(() => {})
  try {
    for await (const chunk of gunzip) yield chunk
  } catch (error) {
    const damaged = String((error as { code?: string }).code).startsWith('Z_')
    throw damaged ? new SluiceError('BROKEN_GZIP', undefined, { cause: error }) : error
  } finally {
    gunzip.destroy()
  }
}
