import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inChunks, providerOf, rowsOf } from '@sluice/testkit/one-object.ts'
import { parquetMetadata } from 'hyparquet'
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
import { decompress } from '../../src/task-files/parquet/decompress.ts'
import { Runs } from '../../src/task-files/parquet/runs.ts'
import { variantJson } from '../../src/task-files/parquet/variant.ts'
import { elementsOf } from '../../src/task-files/read-rows.ts'
import { compareFile, filesIn } from '../formats/compare.ts'

const recorded = join(import.meta.dirname, '../formats/recorded')
const recordedFile = (name: string) => readFileSync(join(recorded, `${name}.parquet`))
const dataOf = async (bytes: Uint8Array) => (await rowsOf(bytes)).map(([, , data]) => JSON.parse(String(data)))

/** What is told about a file that cannot be read, or about its first row that cannot. */
async function messageOf(bytes: Uint8Array): Promise<string> {
  const signal = new AbortController().signal
  try {
    for await (const { parse } of elementsOf(providerOf(inChunks(bytes)), 'key', { signal, countRead: () => {} }))
      parse()
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no fault'
}

type Metadata = ReturnType<typeof parquetMetadata>

const change = (groups: Metadata['row_groups'], to: object) => Object.assign(groups[0]!.columns[1]!.meta_data!, to)

/** A file with columns `a` (numbers) and `b` (texts) in two row groups; `change` may change its footer. */
function sample(change: (metadata: Metadata) => void = () => {}, count = 20): Buffer {
  const numbers = Array.from({ length: count }, (_, n) => n)
  const columnData = [
    { name: 'a', data: numbers, type: 'INT32' as const },
    { name: 'b', data: numbers.map((n) => `text ${n % 3}`), type: 'STRING' as const },
  ]
  const bytes = Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: count / 2 }))
  const metadata = parquetMetadata(new Uint8Array(bytes).buffer)
  change(metadata)
  const writer = new ByteWriter()
  writeMetadata(writer, metadata)
  const pages = bytes.subarray(0, bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8))
  return Buffer.concat([pages, writer.getBytes(), Buffer.from('PAR1')])
}

describe('Parquet files of other writers', () => {
  it('are 50 recorded ones and 21 with variants', () => {
    expect(filesIn(recorded)).toHaveLength(71)
  })

  it.each(filesIn(recorded))('%s has the rows and values that pyarrow reads, or its issue', async (file) => {
    const { isKnown, difference } = await compareFile(recorded, file)
    expect({ isKnown, difference }).toEqual({ isKnown: true, difference: undefined })
  })
})

describe('runs of Parquet levels and dictionary indexes', () => {
  it('a bit-packed run that is padded to 256 values is read (DuckDB 1.3 and later)', () => {
    const page = Buffer.alloc(2 + 32)
    // 32 groups of 8 values with 1 bit: the varint (32 << 1) | 1.
    page[0] = 65
    page[1] = 0b01
    const values = new Uint8Array(2)
    new Runs(page, { from: 0, to: page.length, width: 1 }).read(values, 2)
    expect([...values]).toEqual([1, 0])
  })

  it('a repeated run that is longer than the page needs is read', () => {
    const values = new Uint8Array(3)
    new Runs(Buffer.from([254, 1, 1]), { from: 0, to: 3, width: 1 }).read(values, 3)
    expect([...values]).toEqual([1, 1, 1])
  })

  it('a run is limited by the bytes of its page', () => {
    const runs = new Runs(Buffer.from([65, 0xff, 0xff]), { from: 0, to: 3, width: 1 })
    expect(() => runs.read(new Uint8Array(17), 17)).toThrow('the data of a page is damaged')
  })

  it('DuckDB 1.4 with a null is imported', async () => {
    expect(await dataOf(recordedFile('duckdb-1.4.4-null'))).toEqual([{ x: 1 }, { x: null }])
  })
})

describe('Parquet files with empty parts', () => {
  it('a row group without rows does not end the file: 5 + 0 + 5 + 0 rows are 10', async () => {
    const rows = await rowsOf(recordedFile('pyarrow-21.0.0-empty-row-groups'))
    expect(rows.map(([group, row]) => `${group}:${row}`)).toEqual(
      [0, 2].flatMap((group) => [0, 1, 2, 3, 4].map((row) => `${group}:${row}`)),
    )
  })

  it('a file without rows is imported, and has none', async () => {
    expect(await rowsOf(recordedFile('pyarrow-14.0.2-no-rows-plain'))).toEqual([])
    expect(await rowsOf(recordedFile('polars-1.12.0-no-rows'))).toEqual([])
  })

  it('a page of version 2 with nothing but nulls and a codec is read', async () => {
    const rows = await dataOf(recordedFile('pyarrow-14.0.2-all-null-2.0'))
    expect(rows).toHaveLength(50)
    expect(rows[49]).toEqual({ s: null, b: null, i: null, l: null })
  })

  it('an empty page is read with every codec', async () => {
    for (const codec of ['SNAPPY', 'GZIP', 'ZSTD', 'BROTLI', 'LZ4', 'LZ4_RAW'] as const) {
      expect(await decompress(Buffer.alloc(0), 0, codec)).toHaveLength(0)
    }
  })

  it('a column whose size leaves out the header of its dictionary page is read (old parquet-mr)', async () => {
    const bytes = sample((metadata) => {
      for (const { columns } of metadata.row_groups) {
        const text = columns[1]!.meta_data!
        text.total_compressed_size -= 14n
      }
    })
    expect(await dataOf(bytes)).toEqual(await dataOf(sample()))
  })
})

describe('Parquet variants', () => {
  // One name, "a"; offsets of one byte.
  const names = Buffer.from([1, 1, 0, 1, 0x61])
  const read = (...bytes: number[]) => {
    const findings = { any: false }
    const raw = { value: Buffer.from(bytes), typed: null }
    try {
      return { value: JSON.stringify(variantJson(names as never, raw, 'v', findings)), ...findings }
    } catch (error) {
      return { code: (error as SluiceError).code, ...findings }
    }
  }

  it('a decimal keeps its digits', () => {
    const bytes = Buffer.alloc(18)
    bytes[0] = 10 << 2
    bytes[1] = 2
    bytes.writeBigInt64LE(-1n, 10)
    bytes.writeBigInt64LE(-12_345n, 2)
    expect(read(...bytes)).toEqual({ value: '-123.45', any: false })
  })

  it('an object with one field is an object', () => {
    expect(read(0b10, 1, 0, 0, 2, 0b1100, 7)).toEqual({ value: '{"a":7}', any: false })
  })

  it('a type that is not known yet makes an issue of its row', () => {
    expect(read(40 << 2)).toEqual({ code: 'UNSUPPORTED_PARQUET', any: true })
  })

  it.each([[[]], [[0b10, 9]], [[0b10, 1, 5, 0, 1, 0]], [[0b11, 1, 0, 200]], [[6 << 2, 1]]])(
    'damaged bytes %j make an issue of their row',
    (bytes) => {
      expect(read(...bytes)).toEqual({ code: 'BROKEN_PARQUET', any: true })
    },
  )

  it('offsets that lead to the same bytes again and again do not fill the memory', () => {
    // Each array has two elements, both of which are the next array: 2 to the power of 40.
    const arrays = Array.from({ length: 40 }, () => [0b11, 2, 0, 0, 0]).flat()
    expect(read(...arrays, 0)).toEqual({ code: 'TASK_TOO_LARGE', any: true })
  })
})

describe('Parquet files with unusual or damaged content', () => {
  it('a column and a map key named __proto__ are imported', async () => {
    expect((await rowsOf(recordedFile('pyarrow-14.0.2-special-names')))[0]![2]).toContain('"__proto__":1')
    expect((await rowsOf(recordedFile('pyarrow-14.0.2-special-keys')))[0]![2]).toContain('"m":{"__proto__":1')
  })

  it('a text that is not UTF-8 makes an issue of its row alone, and names the column', async () => {
    const rows = await rowsOf(recordedFile('pyarrow-14.0.2-not-utf8'))
    expect(rows).toEqual([
      [0, 0, 'NOT_UTF8'],
      [0, 1, '{"t":"ok"}'],
    ])
    expect(await messageOf(recordedFile('pyarrow-14.0.2-not-utf8'))).toContain('column "t" is not UTF-8')
  })

  it('two columns with the same name are an issue that names them', async () => {
    expect(await messageOf(recordedFile('pyarrow-14.0.2-same-names'))).toMatch(/^BAD_COLUMN_NAMES: .*"a"/)
  })

  it('encrypted files and columns are named as such', async () => {
    expect(await messageOf(recordedFile('pyarrow-14.0.2-encrypted'))).toMatch(/^ENCRYPTED_PARQUET/)
    expect(await messageOf(recordedFile('pyarrow-14.0.2-encrypted-columns'))).toMatch(
      /^ENCRYPTED_PARQUET: .*column "a"/,
    )
  })

  it('a file that was cut off says that all of its rows are missing', async () => {
    expect(await messageOf(sample().subarray(0, -20))).toMatch(
      /^BROKEN_PARQUET: .*cut off.*All of its rows are missing/,
    )
  })

  it('a damaged row group says from which row group and row on rows are missing', async () => {
    const bytes = sample((metadata) => {
      metadata.row_groups[1]!.columns[0]!.meta_data!.data_page_offset = 10_000_000n
    })
    expect(await messageOf(bytes)).toMatch(
      /^BROKEN_PARQUET: .* from row group 1, row 0 on .*"a" lies outside of the file/,
    )
    expect((await rowsOf(bytes)).length).toBe(11)
  })

  it('a page whose checksum does not match is not imported', async () => {
    const bytes = recordedFile('pyarrow-21.0.0-checksums-2')
    expect((await rowsOf(bytes)).length).toBe(12)
    const { columns } = parquetMetadata(new Uint8Array(bytes).buffer).row_groups[0]!
    const floats = columns.find(({ meta_data }) => meta_data!.path_in_schema[0] === 'fixed')!.meta_data!
    const changed = Buffer.from(bytes)
    const last =
      Number(floats.dictionary_page_offset ?? floats.data_page_offset) + Number(floats.total_compressed_size) - 1
    changed[last] = changed[last]! ^ 1
    expect(await messageOf(changed)).toMatch(/^BROKEN_PARQUET: .* from row group 0, row 0 on .*checksum of a page/)
  })

  it.each([
    [
      'the footer is noise',
      () => Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(50, 7), Buffer.from([50, 0, 0, 0]), Buffer.from('PAR1')]),
    ],
    ['a row group lacks a column', () => sample(({ row_groups }) => row_groups[0]!.columns.pop())],
    ['a count is negative', () => sample(({ row_groups }) => change(row_groups, { num_values: -5n }))],
    ['a size is negative', () => sample(({ row_groups }) => change(row_groups, { total_compressed_size: -5n }))],
  ])('if %s, the message is that of Sluice', async (_what, make) => {
    const message = await messageOf(make())
    expect(message).toMatch(/^BROKEN_PARQUET: The Parquet file cannot be read/)
    expect(message).not.toMatch(/undefined|not a function|Cannot|Invalid array|DataView|BigInt|thrift|parquet /)
  })

  it('a codec that is not supported is named', async () => {
    const bytes = sample(({ row_groups }) => change(row_groups, { codec: 'LZO' }))
    expect(await messageOf(bytes)).toMatch(/^UNSUPPORTED_PARQUET: .*LZO/)
  })
})
