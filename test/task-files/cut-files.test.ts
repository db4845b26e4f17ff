import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { elementsOf } from '../../src/task-files/read-rows.ts'

const count = 20_000
const noise = (n: number) =>
  Array.from({ length: 4 }, (_, k) => ((n * 2_654_435_761 * (k + 7)) % 4_294_967_291).toString(36)).join('')
const numbers = Array.from({ length: count }, (_, n) => n)
const lines = numbers.map((n) => `{"n":${n},"text":"${noise(n)}"}`)
const parquet = () =>
  Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'n', data: numbers, type: 'INT32' },
        { name: 'text', data: numbers.map(noise), type: 'STRING' },
      ],
    }),
  )
const forms = {
  'JSON array': Buffer.from(`[${lines.join(',')}]`),
  'JSON lines': Buffer.from(lines.join('\n')),
  gzip: gzipSync(lines.join('\n')),
  'small JSON': Buffer.from(`[${lines.slice(0, 1_000).join(',')}]`),
  Parquet: parquet(),
}

/** A storage whose every stream breaks off behind `cutAfter` bytes; `etagAt` is its version at a read, by number. */
function breaking(
  bytes: Buffer,
  { cutAfter, etagAt = () => '"1"' }: { cutAfter: number; etagAt?: (read: number) => string | null },
) {
  const reads: (string | undefined)[] = []
  const read: Provider['read'] = async (_key, { range, ifMatch } = {}) => {
    const etag = etagAt(reads.length)
    reads.push(ifMatch)
    if (ifMatch !== undefined && ifMatch !== etag) throw new SluiceError('PRECONDITION_FAILED')
    const asked = (range ?? { start: 0 }) as { start: number; end?: number }
    const end = Math.min(bytes.length - 1, asked.end ?? Infinity)
    const part = bytes.subarray(asked.start, end + 1)
    const body = Readable.from(
      (function* () {
        for (let at = 0; at < part.length; at += 10_000) {
          if (at >= cutAfter) throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
          yield part.subarray(at, Math.min(at + 10_000, cutAfter))
        }
      })(),
      { objectMode: false },
    )
    const about = { etag, lastModified: null, contentType: null }
    return {
      body,
      length: part.length,
      size: bytes.length,
      ...(range && { range: { start: asked.start, end } }),
      ...about,
    }
  }
  return { provider: { read } as unknown as Provider, reads }
}

async function readAll(provider: Provider) {
  const rows: unknown[] = []
  let counted = 0
  const countRead = (bytes: number) => {
    counted += bytes
  }
  try {
    for await (const { parse } of elementsOf(provider, 'key', { signal: new AbortController().signal, countRead })) {
      rows.push(parse().data)
    }
  } catch (error) {
    return { rows, counted, code: (error as SluiceError).code }
  }
  return { rows, counted, code: undefined }
}

describe('a task file whose stream breaks off', () => {
  it.each(Object.entries(forms))('(%s) is continued by conditional range reads, each row once', async (name, bytes) => {
    const whole = await readAll(breaking(bytes, { cutAfter: Infinity }).provider)
    const { provider, reads } = breaking(bytes, { cutAfter: 33_333 })
    const { rows, code, counted } = await readAll(provider)
    expect([rows.length, code]).toEqual([name === 'small JSON' ? 1_000 : count, undefined])
    expect(rows).toEqual(whole.rows)
    expect(reads.length).toBeGreaterThan(1)
    expect([...new Set(reads.slice(1))]).toEqual(['"1"'])
    if (name !== 'Parquet') expect(counted).toBe(bytes.length)
  })

  it.each(Object.entries(forms))(
    '(%s) is PRECONDITION_FAILED if the object changed, and no row of the new version is imported',
    async (_name, bytes) => {
      const { provider } = breaking(bytes, { cutAfter: 33_333, etagAt: (read) => (read < 1 ? '"1"' : '"2"') })
      const { rows, code } = await readAll(provider)
      expect(code).toBe('PRECONDITION_FAILED')
      expect(rows.length).toBeLessThan(count)
    },
  )

  it('is BODY_CUT when the storage knows no versions, or no byte comes in four reads in a row', async () => {
    const bytes = forms['JSON lines']
    expect((await readAll(breaking(bytes, { cutAfter: 33_333, etagAt: () => null }).provider)).code).toBe('BODY_CUT')
    const { provider, reads } = breaking(bytes, { cutAfter: 0 })
    expect((await readAll(provider)).code).toBe('BODY_CUT')
    expect(reads.length).toBe(4)
  })
})
