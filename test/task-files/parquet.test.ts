import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { rowsOf } from '@sluice/testkit/one-object.ts'
import fc from 'fast-check'
import { parquetMetadata } from 'hyparquet'
import { describe, expect, it } from 'vitest'
import { assembler } from '../../src/task-files/parquet/assemble.ts'
import { ParquetColumn } from '../../src/task-files/parquet/column.ts'
import { MemoryBudget, Pages } from '../../src/task-files/parquet/pages.ts'
import { readSchema } from '../../src/task-files/parquet/schema.ts'
import { storedAs } from '../../src/task-files/parquet/values.ts'
import { column, type Options, written } from './parquet-place.ts'

const dataOf = async (bytes: Uint8Array) => (await rowsOf(bytes)).map(([, , data]) => JSON.parse(data as string))
/** A file with one column, described as `element` beside its name. */
const typed = (element: object, data: unknown[]) =>
  written({
    columnData: [{ name: 'v', data }],
    schema: [
      { name: 'root', num_children: 1 },
      { name: 'v', repetition_type: 'OPTIONAL', ...element },
    ],
  } as unknown as Options)

const nested = [
  { name: 'root', num_children: 3 },
  { name: 'id', type: 'INT32', repetition_type: 'REQUIRED' },
  { name: 'tags', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  { name: 'where', repetition_type: 'OPTIONAL', num_children: 2 },
  { name: 'x', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
  { name: 'path', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', type: 'INT64', repetition_type: 'OPTIONAL' },
]

describe('a Parquet file', () => {
  it('returns its rows as they were written, for any nesting, pages and row groups', async () => {
    const tag = fc.option(fc.string({ unit: 'grapheme', maxLength: 8 }))
    const row = fc.record({
      tags: fc.option(fc.array(tag, { maxLength: 4 })),
      where: fc.option(
        fc.record({
          x: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
          path: fc.option(fc.array(fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), { maxLength: 4 })),
        }),
      ),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 100 }),
        async (rows, rowGroupSize, pageSize) => {
          const bytes = written({
            columnData: [
              { name: 'id', data: rows.map((_, n) => n) },
              { name: 'tags', data: rows.map(({ tags }) => tags) },
              { name: 'where', data: rows.map(({ where }) => where) },
            ],
            schema: nested,
            rowGroupSize,
            pageSize,
          } as unknown as Options)
          const found = await rowsOf(bytes)
          const text = (_name: string, value: unknown) =>
            typeof value === 'bigint' ? JSON.rawJSON(String(value)) : value
          expect(found.map(([, , data]) => data)).toEqual(
            rows.map((given, id) => JSON.stringify({ id, ...given }, text)),
          )
          expect(found.map(([group, at]) => [group, at])).toEqual(
            rows.map((_, n) => [Math.floor(n / rowGroupSize), n % rowGroupSize]),
          )
        },
      ),
      { numRuns: 200 },
    )
  })

  it('is read through windows smaller than a page, a header or a row', async () => {
    const rows = Array.from({ length: 3_000 }, (_, n) => ({
      tags: n % 7 ? Array.from({ length: n % 5 }, (_, m) => `tag ${Math.sin(n * 5 + m)}`) : null,
    }))
    const bytes = written({
      columnData: [{ name: 'tags', data: rows.map(({ tags }) => tags) }],
      schema: [{ name: 'root', num_children: 1 }, ...nested.slice(2, 5)],
      pageSize: 300,
      rowGroupSize: rows.length,
    } as unknown as Options)
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
    const metadata = parquetMetadata(buffer)
    const meta = metadata.row_groups[0]!.columns[0]!.meta_data!
    const start = Number(meta.dictionary_page_offset || meta.data_page_offset)
    const { fields, leaves } = readSchema(metadata, { any: false })
    const place = {
      start,
      end: start + Number(meta.total_compressed_size),
      values: Number(meta.num_values),
      codec: meta.codec,
    }
    const read = async (windowBytes: number, step: number) => {
      let reads = 0
      const slice = async (from: number, to?: number) => {
        reads++
        return buffer.slice(from, to)
      }
      const pages = new Pages({ byteLength: bytes.length, slice }, place, windowBytes, new MemoryBudget())
      const column = new ParquetColumn(pages, leaves[0]!.leaf)
      const tags = assembler(fields[0]!, { columnOf: () => column, findings: { any: false }, maxInlineBytes: 0 })
      const values: unknown[] = []
      for (let row = 0; row < rows.length; row += step) {
        const count = Math.min(step, rows.length - row)
        await column.fill(count)
        for (let n = 0; n < count; n++) values.push(tags.next())
      }
      return { reads, values }
    }
    const narrow = await read(1, 7)
    const wide = await read(1e9, 1e9)
    expect(narrow.reads).toBeGreaterThan(20)
    expect(wide.reads).toBe(1)
    expect(narrow.values).toHaveLength(rows.length)
    expect(narrow.values).toEqual(wide.values)
    expect(await dataOf(bytes)).toEqual(rows)
  })

  const literal = (input: Uint8Array) => {
    // LZ4 block format: one sequence of literals alone.
    const length = [Math.min(15, input.length) << 4]
    for (let rest = input.length - 15; rest >= 0; rest -= 255) length.push(Math.min(255, rest))
    return Buffer.concat([Buffer.from(length), input])
  }
  it.each([
    ['UNCOMPRESSED', {}],
    ['SNAPPY', {}],
    ['GZIP', { GZIP: gzipSync }],
    ['BROTLI', { BROTLI: brotliCompressSync }],
    ['ZSTD', { ZSTD: zstdCompressSync }],
    ['LZ4_RAW', { LZ4_RAW: literal }],
  ] as const)('is read when its pages are %s', async (codec, compressors) => {
    const data = Array.from({ length: 300 }, (_, n) => `text ${n % 20}`)
    const bytes = written({ columnData: [column('text', 'STRING', data)], codec, compressors, pageSize: 200 })
    expect(await dataOf(bytes)).toEqual(data.map((text) => ({ text })))
  })

  it.each([
    [
      'a decimal',
      { type: 'INT64', converted_type: 'DECIMAL', scale: 2, precision: 18 },
      [-12345.67],
      '{"v":-12345.67}',
    ],
    [
      'an unsigned integer',
      { type: 'INT64', converted_type: 'UINT_64' },
      [2n ** 64n - 1n],
      '{"v":18446744073709551615}',
    ],
    ['a date', { type: 'INT32', converted_type: 'DATE' }, [new Date('2026-02-03')], '{"v":"2026-02-03"}'],
    ['a time of day', { type: 'INT32', converted_type: 'TIME_MILLIS' }, [3_723_004], '{"v":"01:02:03.004"}'],
    [
      'microseconds',
      { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } },
      [-1n],
      '{"v":"1969-12-31T23:59:59.999999Z"}',
    ],
    [
      'nanoseconds',
      { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'NANOS' } },
      [1n],
      '{"v":"1970-01-01T00:00:00.000000001Z"}',
    ],
    [
      'a time no calendar has',
      { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } },
      [2n ** 63n - 1n],
      '{"v":9223372036854775807}',
    ],
    ['bytes', { type: 'BYTE_ARRAY' }, [new Uint8Array([0, 255, 16])], '{"v":"AP8Q"}'],
    ['JSON', { type: 'BYTE_ARRAY', converted_type: 'JSON' }, [{ a: [1, { b: null }] }], '{"v":{"a":[1,{"b":null}]}}'],
    ['a number that JSON has not', { type: 'DOUBLE' }, [Number.NaN, Number.POSITIVE_INFINITY], '{"v":null}'],
    ['text with a NUL', { type: 'BYTE_ARRAY', converted_type: 'UTF8' }, ['a\0b'], String.raw`{"v":"a\u0000b"}`],
    ['a boolean', { type: 'BOOLEAN' }, [true], '{"v":true}'],
    ['nothing', { type: 'INT32' }, [null], '{"v":null}'],
  ] as const)('keeps %s', async (_what, element, data, json) => {
    expect((await rowsOf(typed(element, data as unknown as unknown[])))[0]).toEqual([0, 0, json])
  })

  it.each([
    [123456789012345678901234567890n, 3, '123456789012345678901234567.890'],
    [-5n, 3, '-0.005'],
    [1250n, 2, '12.5'],
    [0n, 2, '0'],
    [12n, 0, '12'],
    [-1n, 0, '-1'],
  ])('keeps all digits of the decimal %d / 10^%d', (unscaled, scale, json) => {
    const hex = BigInt.asUintN(128, unscaled).toString(16).padStart(32, '0')
    const element = {
      name: 'v',
      type: 'FIXED_LEN_BYTE_ARRAY',
      type_length: 16,
      converted_type: 'DECIMAL',
      scale,
    } as const
    const { read } = storedAs(element, { any: false })
    expect(JSON.stringify(read(Buffer.from(hex, 'hex'), 0, 16))).toBe(json)
  })

  it('can have envelopes in its rows like any other file', async () => {
    const data = [{ text: 'x' }]
    const columns = [column('data', 'JSON', data), column('predictions', 'JSON', [[{ result: [] }]])]
    expect(await dataOf(written({ columnData: columns }))).toEqual(data)
  })

  it('returns texts that share the start of the previous one, with nulls between them', async () => {
    const data = Array.from({ length: 300 }, (_, n) => (n % 7 === 3 ? null : `photos/2026/${n}.jpg`))
    const bytes = written({
      columnData: [{ ...column('v', 'STRING', data), encoding: 'DELTA_BYTE_ARRAY' } as never],
      pageSize: 500,
    })
    expect(await dataOf(bytes)).toEqual(data.map((v) => ({ v })))
  })
})
