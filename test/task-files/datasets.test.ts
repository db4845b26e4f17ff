import { gzipSync } from 'node:zlib'
import { inChunks, providerOf } from '@sluice/testkit/one-object.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
import { elementsOf } from '../../src/task-files/read-rows.ts'

type Options = { rowsPath?: string; key?: string; chunk?: number }

/** Rows as [row, data], and the fault of a row or of the file as its code; and the messages of the faults. */
async function read(content: string | Uint8Array, { rowsPath, key = 'key', chunk = 65_536 }: Options = {}) {
  const rows: [number, unknown][] = []
  const messages: string[] = []
  const fault = (row: number, error: unknown) => {
    if (!(error instanceof SluiceError)) throw error
    rows.push([row, error.code])
    messages.push(error.message)
  }
  const options = { signal: new AbortController().signal, countRead: () => {}, rowsPath }
  try {
    const provider = providerOf(inChunks(Buffer.from(content as string), chunk))
    for await (const { row, parse } of elementsOf(provider, key, options)) {
      try {
        rows.push([row, JSON.parse(parse().data)])
      } catch (error) {
        fault(row, error)
      }
    }
  } catch (error) {
    fault(-1, error)
  }
  return { rows, messages }
}

const text = (value: unknown) => JSON.stringify(value)
const squad = {
  version: '2.0',
  data: [
    { title: 'a', paragraphs: [] },
    { title: 'b', paragraphs: [] },
  ],
}
const geo = {
  type: 'FeatureCollection',
  name: 'x',
  features: [
    { type: 'Feature', id: 1 },
    { type: 'Feature', id: 2 },
  ],
}
const via = {
  _via_settings: { ui: {} },
  _via_img_metadata: {
    'a.jpg12': { filename: 'a.jpg', size: 12, regions: [], file_attributes: {} },
    'b "}.jpg\\3': { filename: 'b.jpg', size: 3, regions: [{ shape_attributes: {} }], file_attributes: {} },
  },
  _via_attributes: { region: {}, file: {} },
  _via_image_id_list: ['a.jpg12'],
}
const coco = {
  info: { year: 2017 },
  licenses: [{ id: 1 }],
  images: [{ id: 1, file_name: 'a.jpg' }],
  annotations: [{ id: 1, image_id: 1, bbox: [1, 2, 3, 4] }],
  categories: [{ id: 1, name: 'cat' }],
}
const { categories: _none, ...captions } = coco

describe('a file that is a whole data set in one object', () => {
  it.each<[string, object, RegExp]>([
    ['SQuAD', squad, /\(SQuAD\).*rowsPath.*\$.*Lists: data \(2 items\)\./],
    ['GeoJSON', geo, /\(GeoJSON\).*Lists: features \(2 items\)\./],
    ['VIA', via, /\(VIA\).*_via_img_metadata/],
    [
      'COCO',
      coco,
      /\(COCO\).*licenses \(1 items\), images \(1 items\), annotations \(1 items\), categories.*convert it/,
    ],
    ['COCO captions', captions, /\(COCO\).*images \(1 items\)/],
    ['a data set without rows', { type: 'FeatureCollection', features: [] }, /Lists: features \(0 items\)/],
  ])('is the issue DATASET_IN_ONE_OBJECT, which names its lists: %s', async (_form, value, message) => {
    for (const content of [text(value), JSON.stringify(value, null, 2), gzipSync(text(value))]) {
      const { rows, messages } = await read(content)
      expect(rows).toEqual([[-1, 'DATASET_IN_ONE_OBJECT']])
      expect(messages[0]).toMatch(message)
    }
  })

  it.each<[string, object]>([
    ['SQuAD', { ...squad, data: Array.from({ length: 130_000 }, (_, n) => ({ n, paragraphs: [] })) }],
    [
      'COCO',
      {
        images: [{ id: 1 }],
        info: {},
        annotations: Array.from({ length: 130_000 }, (_, id) => ({ id, a: 1 })),
        categories: [],
      },
    ],
  ])('is that issue, too, with more values than a task may have: %s', async (_form, value) => {
    expect((await read(text(value))).rows).toEqual([[-1, 'DATASET_IN_ONE_OBJECT']])
  })

  it('is that issue, too, with more bytes than a task may have', async () => {
    const one = text({ type: 'Feature', properties: { text: 'x'.repeat(1_000_000) } })
    const features = Array.from({ length: 70 }, () => one).join(',')
    const { rows, messages } = await read(`{"type":"FeatureCollection","features":[${features}],"more":{"list":[1,2]}}`)
    expect(rows).toEqual([[-1, 'DATASET_IN_ONE_OBJECT']])
    expect(messages[0]).toContain('features (70 items), more.list (2 items)')
    expect((await read(`{"list":[${features}]}`)).rows).toEqual([[-1, 'TASK_TOO_LARGE']])
  })

  it.each<object>([
    { data: [{ text: 'a' }] },
    { version: '1', data: [1, 2] },
    { version: '1', data: [] },
    { version: '1', data: 'text' },
    { version: '1', data: [{ x: 1 }], image: 'a.jpg' },
    { features: [{ type: 'Feature' }] },
    { type: 'Feature', features: [] },
    { type: 'FeatureCollection', features: 'none' },
    { images: ['a.jpg'], annotations: ['b'] },
    { images: [{ id: 1 }], categories: [] },
    { rows: [{ a: 1 }] },
    { items: [{ a: 1 }], type: 'list' },
    { _via_img_metadata: 'text' },
    { toString: 1, constructor: 2 },
  ])('has another form and is a task: %j', async (value) => {
    expect((await read(text(value))).rows).toEqual([[-1, JSON.parse(text(value))]])
  })

  it.each<object>([squad, geo, coco])('is a row like any other in an array and in lines', async (value) => {
    const rows = [
      [0, value],
      [1, value],
    ]
    expect((await read(text([value, value]))).rows).toEqual(rows)
    expect((await read(`${text(value)}\n${text(value)}\n`)).rows).toEqual(rows)
  })
})

describe('rowsPath', () => {
  const listed = { a: { b: [{ n: 1 }, { n: 2 }], c: 3 }, list: [{ n: 3 }] }

  it.each<[string, object, unknown[]]>([
    ['data', squad, squad.data],
    ['features', geo, geo.features],
    ['_via_img_metadata', via, Object.values(via._via_img_metadata)],
    ['images', coco, coco.images],
    ['a.b', listed, listed.a.b],
    ['list', listed, listed.list],
    ['a.b', { 'a.b': 1, x: { a: { b: [9] } }, a: { x: '{"b":[]}', b: [] } }, []],
    ['ä"', { 'ä"': [{ n: 1 }] }, [{ n: 1 }]],
    ['a.b.c.d.e.f', { a: { b: { c: { d: { e: { f: [{ n: 1 }] } } } } } }, [{ n: 1 }]],
  ])('%s leads to the rows', async (rowsPath, value, rows) => {
    const expected = rows.map((row, n) => [n, row])
    for (const content of [
      text(value),
      JSON.stringify(value, null, 2),
      `\ufeff ${text(value)}\n`,
      gzipSync(text(value)),
    ]) {
      for (const chunk of [1, 7, 65_536]) expect((await read(content, { rowsPath, chunk })).rows).toEqual(expected)
    }
  })

  it('$ makes one task of the whole object', async () => {
    for (const value of [squad, geo, via, coco, { a: 1 }]) {
      expect((await read(text(value), { rowsPath: '$' })).rows).toEqual([[-1, value]])
    }
  })

  it.each([
    ['an array', '[{"a":1},{"b":2}]'],
    ['lines', '{"a":1}\n{"b":2}\n'],
    ['objects that span lines', '{\n"a":1}\n{\n"b":2}\n'],
    ['CSV', 'a,b\n1,2\n'],
  ])('changes nothing for %s', async (_form, content) => {
    const key = content.startsWith('a,') ? 'x.csv' : 'key'
    expect((await read(content, { rowsPath: 'list', key })).rows).toEqual((await read(content, { key })).rows)
    expect((await read(content, { rowsPath: '$', key })).rows).toEqual((await read(content, { key })).rows)
  })

  it.each<[unknown, string]>([
    [{ text: 'x' }, 'It has no lists.'],
    [{ data: { rows: [{}, {}] }, list: 3 }, 'Lists: data.rows (2 items).'],
    [{ a: [1, [2]], b: { c: [{ x: [] }] } }, 'Lists: b.c (1 items), a (2 items).'],
  ])(
    'that leads to nothing is the issue ROWS_NOT_FOUND, which names the lists that there are: %j',
    async (value, lists) => {
      const { rows, messages } = await read(text(value), { rowsPath: 'list' })
      expect(rows).toEqual([[-1, 'ROWS_NOT_FOUND']])
      expect(messages[0]).toContain(lists)
    },
  )

  it.each([
    ['in a row', '{"x":1,"list":[{"n":1},{"n":'],
    ['after a row', '{"x":1,"list":[{"n":1}'],
    ['after the rows', '{"x":1,"list":[{"n":1}],"y":['],
    ['before the last bracket', '{"x":1,"list":[{"n":1}]'],
  ])('of a file that is cut off %s yields the rows before, and NOT_JSON for the file', async (_where, content) => {
    const { rows } = await read(content, { rowsPath: 'list' })
    expect(rows.at(-1)).toEqual([-1, 'NOT_JSON'])
    expect(rows.slice(0, -1).every(([, data]) => text(data) === '{"n":1}')).toBe(true)
  })

  it.each(['{"list":[]} x', '{"list":[1]}\n{"list":[2]}', '{"list":[{"n":1}],y:1}', '{"list":[] : }'])(
    'refuses what may not follow the rows: %s',
    async (content) => {
      expect((await read(content, { rowsPath: 'list' })).rows.at(-1)).toEqual([-1, 'NOT_JSON'])
    },
  )

  it('separates a broken row from its neighbours', async () => {
    expect((await read('{"list":[{"n":1},{"n" 2},{"n":3}],"x":1}', { rowsPath: 'list' })).rows).toEqual([
      [0, { n: 1 }],
      [1, 'NOT_JSON'],
      [2, { n: 3 }],
    ])
  })

  it('finds the rows of any object, for any chunks and formatting', async () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 6 })
      .filter((one) => !one.includes('.') && one.isWellFormed())
    const other = fc.dictionary(name, fc.jsonValue({ stringUnit: 'grapheme' }), { maxKeys: 4 })
    const row = fc.dictionary(fc.string(), fc.jsonValue({ stringUnit: 'grapheme' }), { maxKeys: 3 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(name, { minLength: 1, maxLength: 6 }),
        fc.array(fc.tuple(other, other), { minLength: 6, maxLength: 6 }),
        fc.array(row, { maxLength: 4 }),
        fc.record({
          chunk: fc.integer({ min: 1, max: 20 }),
          space: fc.constantFrom(undefined, 1, '\t'),
          isMap: fc.boolean(),
        }),
        async (path, around, rows, { chunk, space, isMap }) => {
          const list = isMap ? Object.fromEntries(rows.map((value, n) => [`${n} "{\\`, value])) : rows
          const value = path.reduceRight<unknown>((inner, key, depth) => {
            const without = (fields: object) => Object.entries(fields).filter(([other]) => other !== key)
            const [before, after] = around[depth]!
            // Text, because a name that is a number would move to the front.
            const members = [...without(before), [key, inner] as const, ...without(after)]
            return { raw: members }
          }, list)
          const found = await read(written(value, space), { rowsPath: path.join('.'), chunk })
          const rowsOf = found.rows.map(([, data]) => data)
          const expected = rows.map((one) => JSON.parse(JSON.stringify(one)))
          if (expected.every((one) => !('data' in one || 'predictions' in one || 'annotations' in one))) {
            expect(rowsOf).toEqual(expected)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

/** JSON text; `{ raw: [name, value][] }` are the members of an object in this order, with repeated names. */
function written(value: unknown, space: string | number | undefined): string {
  const gap = space === undefined ? '' : '\n '
  if (typeof value === 'object' && value !== null && 'raw' in value) {
    const members = (value.raw as [string, unknown][]).map(
      ([name, one]) => `${gap}${text(name)}:${gap}${written(one, space)}`,
    )
    return `{${members.join(',')}${gap}}`
  }
  return JSON.stringify(value, null, space)
}
