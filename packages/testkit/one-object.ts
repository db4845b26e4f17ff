import { Readable } from 'node:stream'
import { SluiceError } from '../../src/errors.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { elementsOf } from '../../src/task-files/read-rows.ts'

/** A place with one object, whose bytes are made while they are read. */
interface OneObject {
  size: number
  /** The bytes from `start` up to, not including, `end`. */
  bytes(start: number, end: number): Iterable<Uint8Array>
  /** Its version; asked for at each read. */
  etag?: () => string
}

/** These bytes, in chunks of `chunkBytes`. */
export function inChunks(whole: Uint8Array, chunkBytes = 65_536): OneObject {
  return {
    size: whole.length,
    *bytes(start, end) {
      for (let at = start; at < end; at += chunkBytes) yield whole.subarray(at, Math.min(end, at + chunkBytes))
    },
  }
}

/** All that reading of a provider needs, without a server. */
export function providerOf({ size, bytes, etag = () => '"1"' }: OneObject): Provider {
  const read: Provider['read'] = async (_key, { range, ifMatch, signal } = {}) => {
    const version = etag()
    if (ifMatch !== undefined && ifMatch !== version) throw new SluiceError('PRECONDITION_FAILED')
    const start = range && 'start' in range ? range.start : 0
    const end = range && 'start' in range ? Math.min(size, (range.end ?? size - 1) + 1) : size
    const body = Readable.from(bytes(start, end), { objectMode: false, ...(signal && { signal }) })
    return { body, length: end - start, size, etag: version, lastModified: null, contentType: null }
  }
  return { read } as unknown as Provider
}

/** What of a task can be compared, or the code of its fault; at last, if there is one, the fault of the whole. */
export async function rowsOf(
  object: OneObject | Uint8Array,
  key = 'key',
): Promise<(readonly [number, number, unknown])[]> {
  const provider = providerOf(object instanceof Uint8Array ? inChunks(object) : object)
  const rows: (readonly [number, number, unknown])[] = []
  const signal = new AbortController().signal
  try {
    for await (const { rowGroup, row, parse } of elementsOf(provider, key, { signal, countRead: () => {} })) {
      rows.push([rowGroup, row, attempt(() => parse().data)])
    }
  } catch (error) {
    rows.push([-1, -1, codeOf(error)])
  }
  return rows
}

function attempt(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf(error: unknown): string {
  if (error instanceof SluiceError) return error.code
  throw error
}
