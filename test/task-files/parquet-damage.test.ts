import { inChunks, rowsOf } from '@sluice/testkit/one-object.ts'
import fc from 'fast-check'
import { parquetMetadata } from 'hyparquet'
import { ByteWriter } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { describe, expect, it } from 'vitest'
import { valuesOf } from '../../src/task-files/parquet/encodings.ts'
import { storedAs } from '../../src/task-files/parquet/values.ts'
import { column, written } from './parquet-place.ts'

describe('a Parquet file', () => {
  const sample = written({
    columnData: [
      column(
        'n',
        'INT32',
        Array.from({ length: 50 }, (_, n) => n),
      ),
      column('s', 'STRING', Array(50).fill('x')),
    ],
    rowGroupSize: 20,
  })
  const changed = (at: number, ...bytes: number[]) => {
    const copy = Buffer.from(sample)
    copy.set(bytes, at < 0 ? copy.length + at : at)
    return copy
  }
  it.each([
    ['ends with other letters', changed(-4, 0x50, 0x41, 0x52, 0x32)],
    ['has a footer longer than the file', changed(-8, 0xff, 0xff, 0xff, 0x7f)],
    ['has a footer of no length', changed(-8, 0, 0, 0, 0)],
    ['has half a footer', Buffer.concat([sample.subarray(0, sample.length - 40), sample.subarray(-8)])],
    ['is cut off', sample.subarray(0, sample.length - 20)],
    ['is its first four letters', sample.subarray(0, 4)],
  ])('that %s is BROKEN_PARQUET as a whole', async (_what, bytes) => {
    expect(await rowsOf(bytes)).toEqual([[-1, -1, 'BROKEN_PARQUET']])
  })

  it('that is damaged in a row group returns the rows before it', async () => {
    const { row_groups } = parquetMetadata(new Uint8Array(sample).buffer)
    const at = Number(row_groups[1]!.columns[0]!.meta_data!.data_page_offset)
    const rows = await rowsOf(changed(at, 0xff, 0xff, 0xff, 0xff, 0xff))
    expect(rows.slice(0, -1).map(([group, row]) => [group, row])).toEqual(Array.from({ length: 20 }, (_, n) => [0, n]))
    expect(rows.at(-1)).toEqual([-1, -1, 'BROKEN_PARQUET'])
  })

  // One block of 65,536 in 4 parts, so many values, the first (zigzag), the smallest difference (zigzag), and 4 widths.
  const deltas = (first: number, difference: number[]) => [
    128,
    128,
    4,
    4,
    128,
    128,
    4,
    first,
    ...difference,
    0,
    0,
    0,
    0,
  ]
  it.each([
    ['2 GiB of the one before it', [254, 255, 255, 255, 15], 'the data of a page is damaged'],
    ['less than nothing', [1], 'the data of a page is damaged'],
    ['all that came before it, so that a page becomes gigabytes', [2], 'values of more than'],
  ])('whose texts claim %s is reported as damaged', (_what, difference, words) => {
    const page = Buffer.from([...deltas(0, difference), ...deltas(2, [0]), ...Array(2 ** 16).fill(0x61)])
    const header = { encoding: 'DELTA_BYTE_ARRAY', values: 2 ** 16 } as never
    const stored = storedAs({ name: 'v', type: 'BYTE_ARRAY' }, { any: false })
    expect(() => valuesOf(page, 0, header, { stored, dictionary: undefined })).toThrow(words)
  })

  it.each([21n, 2n ** 31n, 2n ** 62n, -1n])(
    'whose footer claims %d rows of a group is reported as damaged there',
    async (count) => {
      const metadata = parquetMetadata(new Uint8Array(sample).buffer)
      metadata.row_groups[1]!.num_rows = count
      const writer = new ByteWriter()
      writeMetadata(writer, metadata)
      const pages = sample.subarray(0, sample.length - 8 - sample.readUInt32LE(sample.length - 8))
      const rows = await rowsOf(Buffer.concat([pages, writer.getBytes(), Buffer.from('PAR1')]))
      expect(rows.length).toBe(21)
      expect(rows.at(-1)).toEqual([-1, -1, 'BROKEN_PARQUET'])
    },
  )

  it('only returns rows or reports the damage, for any changed bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        async (changes) => {
          const bytes = Buffer.from(sample)
          for (const [at, byte] of changes) bytes[at] = byte
          // Rejects for anything but a SluiceError.
          await rowsOf(bytes)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('that is replaced while it is read never mixes both versions', async () => {
    const data = Array.from({ length: 200_000 }, (_, n) => `row ${(n * 7919) % 1_000_003} of the first version`)
    const bytes = written({ columnData: [column('s', 'STRING', data)], rowGroupSize: 50_000, codec: 'UNCOMPRESSED' })
    let reads = 0
    const rows = await rowsOf({ ...inChunks(bytes), etag: () => (++reads > 3 ? '"2"' : '"1"') })
    expect(rows.at(-1)).toEqual([-1, -1, 'PRECONDITION_FAILED'])
    expect(rows.length - 1).toBeGreaterThan(0)
    expect(rows.slice(0, -1).every(([, , row]) => String(row).includes('first version'))).toBe(true)
  })
})
