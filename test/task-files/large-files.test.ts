import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createGzip } from 'node:zlib'
import { providerOf } from '@sluice/testkit/one-object.ts'
import { describe, expect, it } from 'vitest'
import type { Provider } from '../../src/providers/provider.ts'
import { elementsOf } from '../../src/task-files/read-rows.ts'

const mebi = 2 ** 20
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** How many rows there are, and by how much what is held grew from the tenth of them to the highest. */
async function weigh(provider: Provider, rowsPath?: string) {
  let [rows, start, peak] = [0, 0, 0]
  const signal = new AbortController().signal
  for await (const { parse } of elementsOf(provider, 'key', { signal, countRead: () => {}, rowsPath })) {
    parse()
    rows++
    if (rows % 16 !== 10) continue
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    start ||= heapUsed + arrayBuffers
    peak = Math.max(peak, heapUsed + arrayBuffers)
  }
  return { rows, growth: peak - start }
}

/** `before`, then `count` times `row`, with `between` them, then `after`, made while it is read. */
function repeated({
  before = '',
  row,
  between,
  after = '',
  count,
}: Record<'row' | 'between', string> & { before?: string; after?: string; count: number }): Provider {
  const [one, more] = [Buffer.from(before + row), Buffer.from(between + row)]
  return providerOf({
    size: one.length + more.length * (count - 1) + after.length,
    *bytes() {
      for (let n = 0; n < count; n++) {
        const whole = n === 0 ? one : more
        for (let at = 0; at < whole.length; at += 65_536) yield whole.subarray(at, at + 65_536)
      }
      if (after) yield Buffer.from(after)
    },
  })
}

describe('a file larger than memory should hold', () => {
  const row = `{"text":"${'What is to be seen here? '.repeat(160_000)}","n":[1,2,{"a":"b"}]}`

  it('is read row by row if it is an array of 2 GiB', async () => {
    const count = Math.ceil((2 * 1024 * mebi) / row.length)
    const { rows, growth } = await weigh(repeated({ before: '[', row, between: ',\n', after: ']', count }))
    expect(rows).toBe(count)
    expect(growth).toBeLessThan(64 * mebi)
  })

  it('is read row by row if it is a data set of 2 GiB in one object', async () => {
    const count = Math.ceil((2 * 1024 * mebi) / row.length)
    const before = '{"version":"2","data":{"about":[1,{"rows":2}],"rows":['
    const provider = repeated({ before, row, between: ',\n', after: `],"more":[${row}]},"last":1}`, count })
    const { rows, growth } = await weigh(provider, 'data.rows')
    expect(rows).toBe(count)
    expect(growth).toBeLessThan(64 * mebi)
  })

  it('holds no rows that were not looked for', async () => {
    const before = `{"x":[${row}],"rows":[{"n":1}],"y":[`
    const provider = repeated({ before, row, between: ',', after: ']}', count: 100 })
    const [start, { rows }] = [process.memoryUsage.rss(), await weigh(provider, 'rows')]
    expect(rows).toBe(1)
    expect(process.memoryUsage.rss() - start).toBeLessThan(256 * mebi)
  })

  it('is read row by row if it has lines', async () => {
    const { rows, growth } = await weigh(repeated({ row, between: '\n', count: 100 }))
    expect(rows).toBe(100)
    expect(growth).toBeLessThan(64 * mebi)
  })

  it('is read row by row if it is unpacked from a small gzip', async () => {
    const lines = Readable.from(
      (function* () {
        for (let n = 0; n < 100; n++) yield `${row}\n`
      })(),
    )
    const parts: Buffer[] = []
    for await (const part of lines.pipe(createGzip({ level: 1 }))) parts.push(part)
    const packed = Buffer.concat(parts)
    expect(packed.length).toBeLessThan((row.length * 100) / 50)
    const { rows, growth } = await weigh(providerOf({ size: packed.length, bytes: () => [packed] }))
    expect(rows).toBe(100)
    expect(growth).toBeLessThan(64 * mebi)
  })
})
