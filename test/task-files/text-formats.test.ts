import { gzipSync, zstdCompressSync } from 'node:zlib'
import { inChunks, providerOf, rowsOf } from '@sluice/testkit/one-object.ts'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
import { parseTask } from '../../src/task-files/parse-task.ts'
import { elementsOf } from '../../src/task-files/read-rows.ts'

/** Rows as [row, data], whatever the chunks that they arrive in. */
async function read(content: string | Uint8Array, key = 'key') {
  const bytes = Buffer.from(content as string)
  const whole = await rowsOf(bytes, key)
  if (typeof content === 'string') {
    // Larger than what is read in one piece, so that it is streamed.
    const padding = Buffer.alloc(300_000, '\n')
    for (const chunk of [1, 7]) {
      const parts = [...inChunks(bytes, chunk).bytes(0, bytes.length), padding]
      const streamed = await rowsOf({ size: bytes.length + padding.length, bytes: () => parts }, key)
      if (bytes.length > 0) expect(streamed).toEqual(whole)
    }
  }
  return whole.map(([, row, data]) => [row, data])
}

async function messageOf(content: string | Uint8Array, key = 'key'): Promise<string> {
  const provider = providerOf(inChunks(Buffer.from(content as string)))
  try {
    const options = { signal: new AbortController().signal, countRead: () => {} }
    for await (const { parse } of elementsOf(provider, key, options)) parse()
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no fault'
}

describe('JSON files', () => {
  it('with EF BB before a brace are NOT_UTF8, because that is no byte order mark', async () => {
    expect(await read(Buffer.from([0xef, 0xbb, 0x7b, 0x7d]))).toEqual([[-1, 'NOT_UTF8']])
    expect(await read(Buffer.from([0xef, 0xbb]))).toEqual([[-1, 'NOT_UTF8']])
    expect(await read('\ufeff{"a":1}')).toEqual([[-1, '{"a":1}']])
  })

  it('consecutive objects that span lines are all imported', async () => {
    const objects = [{ a: 1 }, { b: [{ c: '}\\"{' }] }, {}, { d: { e: null } }]
    const text = objects.map((object) => JSON.stringify(object, null, 2)).join('\n')
    expect((await read(text)).map(([row, data]) => [row, JSON.parse(String(data))])).toEqual(
      objects.map((object, row) => [row, object]),
    )
  })

  it('what follows an object that spans lines and is no object imports none', async () => {
    expect(await read('{\n"a":1\n}\nnonsense\n')).toEqual([[-1, 'NOT_JSON']])
  })

  it('consecutive objects of which the last is cut off end with an issue of the file', async () => {
    const rows = await read('{\n"a":1\n}\n{\n"b":2\n}\n{\n"c":')
    expect(rows.map(([, data]) => data)).toEqual(['{\n"a":1\n}', '{\n"b":2\n}', 'NOT_JSON'])
  })

  it('null as predictions, without data, counts as absent', () => {
    const parsed = parseTask(Buffer.from('{"text":"x","predictions":null,"annotations":null,"n":12345678901234567.5}'))
    expect(parsed).toMatchObject({ data: '{"text":"x","n":12345678901234567.5}', predictions: [], annotations: [] })
  })

  it('fractions keep their digits inside an envelope', () => {
    const { data, meta, predictions } = parseTask(
      Buffer.from(
        '{"data":{"n":-123456789012345.678},"meta":{"m":0.12345678901234567890123},"predictions":[{"result":[{"x":1.00000000000000000001}],"score":0.12345678901234567890}]}',
      ),
    )
    expect(data).toBe('{"n":-123456789012345.678}')
    expect(meta).toBe('{"m":0.12345678901234567890123}')
    expect(predictions).toMatchObject([
      { result: '[{"x":1.00000000000000000001}]', score: Number('0.1234567890123456789') },
    ])
  })

  it("Label Studio's old completions are annotations, and its drafts are no labels", () => {
    const label = { result: [{ value: { choices: ['a'] } }] }
    const taskOf = (value: object) => parseTask(Buffer.from(JSON.stringify(value)))
    const parsed = taskOf({ data: { text: 'x' }, completions: [label], drafts: [label], meta: { a: 1 } })
    expect(parsed.annotations).toMatchObject([{ result: JSON.stringify(label.result) }])
    expect(parsed).toMatchObject({ meta: '{"a":1}', extra: JSON.stringify({ drafts: [label] }) })
  })

  it('zstd is unpacked, and damaged zstd is an issue', async () => {
    const packed = zstdCompressSync('{"n":1}\n{"n":2}\n')
    expect(await read(packed)).toEqual([
      [0, '{"n":1}'],
      [1, '{"n":2}'],
    ])
    expect(await read(packed.subarray(0, 12))).toEqual([[-1, 'BROKEN_ZSTD']])
  })

  it.each([
    ['bzip2', [0x42, 0x5a, 0x68, 0x39], /bzip2.*gzip or zstd/],
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], /xz.*gzip or zstd/],
    ['zip', [0x50, 0x4b, 3, 4, 20, 0, 0x61], /zip.*gzip or zstd/],
    ['xlsx', [0x50, 0x4b, 3, 4, ...Buffer.from('\0[Content_Types].xml')], /Excel.*CSV/],
  ])('%s is named, with what to do', async (_what, bytes, message) => {
    expect(await messageOf(Buffer.from(bytes))).toMatch(message)
    expect(await messageOf(Buffer.from(bytes), 'tasks.csv')).toMatch(message)
  })
})

describe('CSV and TSV files', () => {
  it.each([
    ['tasks.csv', ','],
    ['tasks.CSV', ';'],
    ['a/tasks.csv', '\t'],
    ['tasks.tsv', '\t'],
  ])('%s with %j between its columns is imported, its values as text', async (key, between) => {
    const text = ['id,name,note', '1,Ann,', '02,"B, ""b""; \t\nc",true', ''].join('\r\n').replaceAll(/,(?! )/g, between)
    expect((await read(text, key)).map(([row, data]) => [row, JSON.parse(String(data))])).toEqual([
      [0, { id: '1', name: 'Ann', note: '' }],
      [1, { id: '02', name: 'B, "b"; \t\nc', note: 'true' }],
    ])
  })

  it('are unpacked first, and a byte order mark is no part of the first column', async () => {
    const text = '\ufeffa,b\n1,2\n'
    expect(await read(gzipSync(text), 'x.csv.gz')).toEqual([[0, '{"a":"1","b":"2"}']])
    expect(await read(zstdCompressSync(text), 'x.csv.zst')).toEqual([[0, '{"a":"1","b":"2"}']])
    expect(await read(text, 'x.csv')).toEqual([[0, '{"a":"1","b":"2"}']])
  })

  it.each([
    ['a repeated', 'a,b,a\n1,2,3\n'],
    ['an empty', 'a,,c\n1,2,3\n'],
  ])('with %s column name are an issue', async (_what, text) => {
    expect(await read(text, 'x.csv')).toEqual([[-1, 'BAD_COLUMN_NAMES']])
  })

  it('with a row of another length, or of bytes that are not UTF-8, make an issue of that row alone', async () => {
    const text = Buffer.concat([Buffer.from('a,b\n1\n2,'), Buffer.from('\xe4', 'latin1'), Buffer.from('\n3,4\n')])
    expect(await read(text, 'x.csv')).toEqual([
      [0, 'BROKEN_CSV'],
      [1, 'NOT_UTF8'],
      [2, '{"a":"3","b":"4"}'],
    ])
  })

  it('with a quote that is never closed give what comes before it', async () => {
    expect(await read('a,b\n1,2\n"3,4\n', 'x.csv')).toEqual([
      [0, '{"a":"1","b":"2"}'],
      [-1, 'BROKEN_CSV'],
    ])
  })

  it('may have a column named __proto__, or labels that are only text', async () => {
    expect(await read('__proto__,predictions\n1,[]\n', 'x.csv')).toEqual([[0, '{"__proto__":"1","predictions":"[]"}']])
  })

  it('with nothing but a header have no rows', async () => {
    expect(await read('a,b\n', 'x.csv')).toEqual([])
    expect(await read('', 'x.csv')).toEqual([[-1, 'NOT_JSON']])
  })

  it('that hold JSON or Parquet are read as such', async () => {
    expect(await read('[{"a":1}]', 'x.csv')).toEqual([[0, '{"a":1}']])
  })

  it.each([
    ['without its first bytes', '"id": 1, "text": "a"}\n"id": 2, "text": "b"}\n'],
    ['with something before it', 'x{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n'],
    ['from the middle of an array', '"a": 1, "b": 2},\n{"a": 3, "b": 4},\n'],
    ['from the middle of a pretty-printed object', '"a": 1,\n"b": 2,\n'],
    ['as a script', 'var tasks = {"a": 1, "b": 2}\nvar more = {"a": 3, "b": 4}\n'],
  ])('JSON %s is damaged JSON (NOT_JSON), not LOOKS_LIKE_CSV', async (_how, text) => {
    expect(await messageOf(text, 'x.json')).toMatch(/^NOT_JSON: /)
  })

  it.each([
    ['with JSON in a quoted column', 'id,data\n1,"{""a"": 1}"\n'],
    ['with a time', 'id,time\n1,12:30\n'],
    ['with quoted names', '"id","name"\n"1","Ann"\n'],
  ])('CSV %s under another name is LOOKS_LIKE_CSV', async (_how, text) => {
    expect(await messageOf(text, 'x.txt')).toMatch(/^LOOKS_LIKE_CSV: /)
  })

  it('under another name are LOOKS_LIKE_CSV, with the advice to rename them', async () => {
    expect(await messageOf('a,b\n1,2\n', 'x.txt')).toMatch(/^LOOKS_LIKE_CSV: .*\.csv or \.tsv/)
  })
})
