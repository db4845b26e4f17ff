import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../src/errors.ts'
import { parseTask } from '../../src/task-files/parse-task.ts'
import { parse } from './parse.ts'

describe('reading a task', () => {
  it.each([
    ['', 'NOT_JSON'],
    ['{', 'NOT_JSON'],
    ['[1]', 'NOT_A_TASK'],
    ['null', 'NOT_A_TASK'],
    ['3', 'NOT_A_TASK'],
    ['12345678901234567890', 'NOT_A_TASK'],
    ['"x"', 'NOT_A_TASK'],
    ['{"predictions":[]}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"annotations":[]}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"annotations":[],"predictions":[],"text":"x"}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"predictions":[],"text":"x"}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"annotations":[{"result":[]}],"text":"x"}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"annotations":[{"label":"a"},{"result":[]}],"text":"x"}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"annotations":[{"result":"none"}],"text":"x"}', 'ENVELOPE_WITHOUT_DATA'],
    ['{"data":{},"annotations":[{"label":"a"}]}', 'BAD_ENVELOPE'],
    ['{"data":"x","annotations":[]}', 'BAD_ENVELOPE'],
    ['{"data":{},"annotations":{}}', 'BAD_ENVELOPE'],
    ['{"data":{},"predictions":["1"]}', 'BAD_ENVELOPE'],
    ['{"data":{},"annotations":[1]}', 'BAD_ENVELOPE'],
    ['{"data":{},"predictions":[{"score":1}]}', 'BAD_ENVELOPE'],
    ...['annotations', 'predictions'].flatMap((field) =>
      ['"no list"', '5', '{}', 'null', 'true'].map((result) => [
        `{"data":{},"${field}":[{"result":${result}}]}`,
        'BAD_ENVELOPE',
      ]),
    ),
    ['{"data":{},"annotations":[{"result":[],"was_cancelled":"maybe"}]}', 'BAD_ENVELOPE'],
    ['{"data":{},"annotations":[{"result":[],"was_cancelled":1}]}', 'BAD_ENVELOPE'],
    ['{"data":{},"annotations":[{"result":[],"lead_time":"x"}]}', 'BAD_ENVELOPE'],
    ['{"data":{},"annotations":[{"result":[],"lead_time":1e999}]}', 'BAD_ENVELOPE'],
    ['{"data":{},"predictions":[{"result":[],"score":"high"}]}', 'BAD_ENVELOPE'],
    ...['""', '" "', '"0x10"', '"NaN"', '"1e999"', 'true', '[]'].map((score) => [
      `{"data":{},"predictions":[{"result":[],"score":${score}}]}`,
      'BAD_ENVELOPE',
    ]),
    ['{"data":{},"predictions":[{"result":[],"model_version":{}}]}', 'BAD_ENVELOPE'],
    ['{"data":{},"predictions":[{"result":[],"model_version":true}]}', 'BAD_ENVELOPE'],
  ])('refuses %s as %s', (text, code) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }))
  })

  it.each(['predictions', 'annotations'])('refuses %s inside of data, where nobody would see them', (field) => {
    const labels = [{ id: 1, result: [{ from_name: 'a', to_name: 'b', type: 'choices', value: {} }] }]
    const fault = expect.objectContaining({ code: 'LABELS_IN_DATA' })
    expect(() => parse({ data: { image: 'x', [field]: labels } })).toThrow(fault)
    expect(() => parse({ data: { data: { image: 'x' }, [field]: labels } })).toThrow(fault)
  })

  it('refuses nesting that would overflow the stack, at any position', () => {
    for (const depth of [1_001, 100_000]) {
      for (const [open, close] of [
        ['{"a":', '}'],
        ['[', ']'],
      ] as const) {
        const nested = `${open.repeat(depth)}1${close.repeat(depth)}`
        for (const text of [nested, `{"data":{"a":${nested}},"predictions":[]}`]) {
          expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'NOT_A_TASK' }))
        }
        expect(() => parse(`${open.repeat(depth)}`)).toThrow(SluiceError)
      }
    }
    expect(parse(`${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`).data).toHaveLength(6_001)
  })

  it('never fails without a message', () => {
    const json = fc.json({ stringUnit: 'binary' }).map((text) => Buffer.from(text))
    const envelope = fc
      .record({ data: fc.jsonValue(), predictions: fc.jsonValue(), annotations: fc.jsonValue(), meta: fc.jsonValue() })
      .map((value) => Buffer.from(JSON.stringify(value)))
    const bytes = fc.uint8Array({ maxLength: 50 }).map((given) => Buffer.from(given))
    fc.assert(
      fc.property(fc.oneof(json, envelope, bytes), (given) => {
        try {
          JSON.parse(parseTask(given).data)
        } catch (error) {
          expect(error).toBeInstanceOf(SluiceError)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseTask(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow(expect.objectContaining({ code: 'NOT_UTF8' }))
  })
})
