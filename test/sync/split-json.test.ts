import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JsonElement, splitJson } from '../../src/sync/split-json.ts'

/** The elements of `text` when it comes in chunks cut at these places. */
async function split(text: string | Buffer, cuts: number[] = [], maxBytes = 1_000_000): Promise<JsonElement[]> {
  const bytes = Buffer.from(text as string)
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  async function* chunks() {
    for (let n = 1; n < places.length; n++) yield bytes.subarray(places[n - 1], places[n])
  }
  const elements: JsonElement[] = []
  for await (const element of splitJson(chunks(), maxBytes)) elements.push(element)
  return elements
}
const valuesOf = (elements: JsonElement[]) => elements.map(({ bytes }) => JSON.parse(bytes.toString()))
const cuts = fc.array(fc.nat(), { maxLength: 20 })
const indent = fc.constantFrom(undefined, 1, '\t')
const start = fc.constantFrom('', '\ufeff', ' \n')
const text = fc.string({ unit: 'binary' })
const json = fc.jsonValue({ stringUnit: 'binary' })

describe('splitting a JSON text', () => {
  it('finds the elements of any array, however it is cut and written', async () => {
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

  it('never takes an array that ends too early for a whole one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json, { minLength: 1 }), fc.nat(), cuts, async (values, end, at) => {
        const bytes = Buffer.from(JSON.stringify(values))
        const cut = bytes.subarray(0, end % bytes.length)
        await expect(split(cut, at)).rejects.toMatchObject({ code: 'NOT_JSON' })
      }),
    )
  })

  it('never fails in another way than by saying what is wrong', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), cuts, async (bytes, at) => {
        const fault = await split(Buffer.from(bytes), at).catch((error) => error)
        expect(Array.isArray(fault) || typeof fault.code === 'string').toBe(true)
      }),
    )
  })

  it('keeps a broken element apart from its neighbours', async () => {
    const found = await split('[{"a":1}, {"b" 2}, nonsense, {"c":"]},{"}]')
    expect(found.map(({ bytes }) => bytes.toString().trim())).toEqual([
      '{"a":1}',
      '{"b" 2}',
      'nonsense',
      '{"c":"]},{"}',
    ])
  })

  it('tells how deeply an element is nested', async () => {
    expect((await split('[1, [], {"a":[{"b":"[[["}]}, {}]')).map(({ depth }) => depth)).toEqual([0, 1, 3, 1])
    expect((await split('{"a":{"b":[]}}')).map(({ depth }) => depth)).toEqual([3])
  })

  it('holds no element larger than is allowed', async () => {
    const fault = { code: 'TASK_TOO_LARGE' }
    await expect(split(`[{"a":"${'x'.repeat(100)}"}]`, [50], 99)).rejects.toMatchObject(fault)
    await expect(split(`{"a":"${'x'.repeat(100)}"}`, [], 99)).rejects.toMatchObject(fault)
    expect(await split(`[${'{"a":1},'.repeat(50)}{}]`, [], 99)).toHaveLength(51)
  })

  it('refuses text behind the end', async () => {
    for (const given of ['[1] 2', '[1]]', '{} {}', '{}x']) {
      await expect(split(given)).rejects.toMatchObject({ code: 'NOT_JSON' })
    }
  })
})
