import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SluiceError } from '../../src/errors.ts'
import { parseTask } from '../../src/task-files/parse-task.ts'
import { type JsonElement, JsonSplitter } from '../../src/task-files/split-json.ts'

/** What `text` gives when it comes in chunks cut at these places: elements, and the fault that ends them. */
function outcome(text: string | Buffer, cuts: number[] = [], maxBytes = 1_000_000, path?: string[]) {
  const bytes = Buffer.from(text as string)
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  const splitter = new JsonSplitter(maxBytes, path)
  const elements: JsonElement[] = []
  try {
    for (let n = 1; n < places.length; n++) {
      for (const element of splitter.push(bytes.subarray(places[n - 1], places[n]))) elements.push(element)
    }
    for (const element of splitter.end()) elements.push(element)
    return { elements }
  } catch (fault) {
    return { elements, fault: fault as SluiceError }
  }
}

/** The elements alone. @throws the fault */
async function split(...args: Parameters<typeof outcome>): Promise<JsonElement[]> {
  const { elements, fault } = outcome(...args)
  if (fault) throw fault
  return elements
}
const seen = (elements: JsonElement[]) => elements.map(({ bytes, tooLarge }) => [String(bytes), tooLarge])
/** Of an outcome, what can be compared. */
const plain = ({ elements, fault }: ReturnType<typeof outcome>) => [
  elements.map(({ row, bytes, tooLarge }) => [row, String(bytes), tooLarge]),
  fault && [fault.code, fault.message],
]
const piece = fc.oneof(
  fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    '\\',
    '\n',
    ' ',
    '{"a":1}',
    '{"a":"b"}\n',
    '\0',
    '\ufeff',
    ':',
    '1',
    'x',
  ),
  fc.string({ unit: 'binary', maxLength: 5 }),
)
const hostile = fc.oneof(
  fc.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(''))),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
)
const valuesOf = (elements: JsonElement[]) => elements.map(({ bytes }) => JSON.parse(bytes.toString()))
const cuts = fc.array(fc.nat(), { maxLength: 20 })
const indent = fc.constantFrom(undefined, 1, '\t')
const start = fc.constantFrom('', '\ufeff', ' \n')
const text = fc.string({ unit: 'binary' })
const json = fc.jsonValue({ stringUnit: 'binary' })

describe('splitting a JSON text', () => {
  it('finds the elements of any array, for any chunks and formatting', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json), cuts, indent, start, async (values, at, space, before) => {
        const found = await split(before + JSON.stringify(values, null, space), at)
        expect(valuesOf(found)).toEqual(JSON.parse(JSON.stringify(values)))
        expect(found.map(({ row }) => row)).toEqual(values.map((_, row) => row))
      }),
    )
  })

  it('passes on any single object as a whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(text, json), cuts, indent, start, async (value, at, space, before) => {
        const found = await split(`${before}${JSON.stringify(value, null, space)}\n`, at)
        expect(valuesOf(found)).toEqual([JSON.parse(JSON.stringify(value))])
        expect(found[0]?.row).toBe(-1)
      }),
    )
  })

  it('never accepts an array that ends early as complete', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json, { minLength: 1 }), fc.nat(), cuts, async (values, end, at) => {
        const bytes = Buffer.from(JSON.stringify(values))
        const cut = bytes.subarray(0, end % bytes.length)
        await expect(split(cut, at)).rejects.toMatchObject({ code: 'NOT_JSON' })
      }),
    )
  })

  it('never fails without a message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), cuts, async (bytes, at) => {
        const fault = await split(Buffer.from(bytes), at).catch((error) => error)
        expect(Array.isArray(fault) || typeof fault.code === 'string').toBe(true)
      }),
    )
  })

  it('separates a broken element from its neighbours', async () => {
    const found = await split('[{"a":1}, {"b" 2}, nonsense, {"c":"]},{"}]')
    expect(found.map(({ bytes }) => bytes.toString().trim())).toEqual([
      '{"a":1}',
      '{"b" 2}',
      'nonsense',
      '{"c":"]},{"}',
    ])
  })

  it('passes on an element above the limit without its bytes, and its neighbours with theirs', async () => {
    const large = `{"a":"${'x'.repeat(100)}"}`
    for (const at of [[], [50], [3, 50, 90]]) {
      expect(seen(await split(`[{},${large},{}]`, at, 99))).toEqual([
        ['{}', false],
        ['', true],
        ['{}', false],
      ])
      expect(seen(await split(`{}\n${large}\n{}`, at, 99))).toEqual([
        ['{}', false],
        ['', true],
        ['{}', false],
      ])
      expect(seen(await split(large, at, 99))).toEqual([['', true]])
    }
    expect(await split(`[${'{"a":1},'.repeat(50)}{}]`, [], 99)).toHaveLength(51)
  })

  it('buffers no white space between elements', async () => {
    const gap = ' \n'.repeat(100)
    expect(await split(`[${gap}{"a":1},${gap}{}]`, [], 50)).toHaveLength(2)
    expect(await split(`[${gap}]${gap}`, [], 50)).toHaveLength(0)
    expect(await split(`${gap}{}${gap}{}${gap}`, [], 50)).toHaveLength(2)
  })

  it.for([
    ['a bracket is missing', '{"n":{"a":1}'],
    ['a quote is missing', '{"n":"x}'],
    ['a value is missing', '{"n":'],
  ])('detects lines when in the first of them $0, without waiting for the end', ([, first]) => {
    const splitter = new JsonSplitter(1_000_000)
    const found = [...splitter.push(Buffer.from(`${first}\n{"n":1}\n{"n":2}\n{"n":3}\n`))]
    expect(found.map(({ row, bytes }) => [row, String(bytes)])).toEqual([
      [0, first],
      [1, '{"n":1}'],
      [2, '{"n":2}'],
      [3, '{"n":3}'],
    ])
  })

  it('treats one broken object as one value', async () => {
    for (const broken of ['{\n  "a": "x\ny",\n  "b": {"c": 1}\n}', '{\n"a": {"b": 1}\n{', '{"a":\n"b"\n']) {
      await expect(split(broken)).rejects.toMatchObject({ code: 'NOT_JSON' })
    }
  })

  it('finds the same elements for any division into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, cuts, fc.integer({ min: 1, max: 60 }), async (given, at, maxBytes) => {
        expect(plain(outcome(given, at, maxBytes))).toEqual(plain(outcome(given, [], maxBytes)))
      }),
      { numRuns: 2_000 },
    )
  })

  it('finds the same rows at a path for any division into chunks', async () => {
    const parts = fc.oneof(
      piece,
      fc.constantFrom('{"a":[', '{"b":{"a":1},', '"a":', '"a":[', '"a":{', '"c":[{},2],', '},', ']}', '"\\""'),
    )
    const begun = fc.array(parts, { maxLength: 20 }).map((pieces) => Buffer.from(`{${pieces.join('')}`))
    await fc.assert(
      fc.asyncProperty(begun, cuts, fc.integer({ min: 1, max: 60 }), async (given, at, maxBytes) => {
        expect(plain(outcome(given, at, maxBytes, ['a']))).toEqual(plain(outcome(given, [], maxBytes, ['a'])))
      }),
      { numRuns: 3_000 },
    )
  })

  it.each(['\ufeff[]', '{"a":1}', '[{"a":1}]', '{"a":1}\n{"a":2}\n'])(
    'says of %j in UTF-16 that it is not UTF-8',
    (given) => {
      const { elements, fault } = outcome(Buffer.from(given, 'utf16le'))
      if (fault) expect(fault.code).toBe('NOT_UTF8')
      for (const { bytes } of elements) {
        expect(() => parseTask(bytes)).toThrow(expect.objectContaining({ code: 'NOT_UTF8' }))
      }
      expect(elements.length > 0 || fault).toBeTruthy()
    },
  )

  it('refuses text after the end', async () => {
    for (const given of ['[1] 2', '[1]]', '{} {}', '{}x']) {
      await expect(split(given)).rejects.toMatchObject({ code: 'NOT_JSON' })
    }
  })
})
