import { describe, expect, it } from 'vitest'
import { withoutTimes } from '../../src/task-files/parse-task.ts'
import { parse } from './parse.ts'

const bare = { meta: null, allowSkip: true, predictions: [], annotations: [] }

describe('reading a task', () => {
  it.each(['{"text":"x"}', '{"data":"text"}', '{"data":[1]}', '{"data":null,"meta":{}}', '{}'])(
    'reads %s as the data itself',
    (text) => {
      expect(parse(text)).toEqual({ ...bare, data: text })
    },
  )

  it('reads an object in "data" as an envelope', () => {
    expect(parse({ data: { a: 1 }, id: 7 })).toEqual({ ...bare, data: '{"a":1}', envelopeId: '7' })
    expect(parse({ data: { a: 1 }, id: 7, whatever: true })).toEqual({
      ...bare,
      data: '{"a":1}',
      envelopeId: '7',
      extra: '{"whatever":true}',
    })
    expect(parse({ data: {}, meta: { x: 1 } }).meta).toBe('{"x":1}')
    expect(parse({ data: {}, meta: 'no object' }).meta).toBeNull()
  })

  it.each([
    [{ allowSkip: false }, false],
    [{ allow_skip: false }, false],
    [{ allowSkip: true, allow_skip: false }, true],
    [{ allowSkip: 'no' }, true],
    [{}, true],
  ])('reads %j as allowSkip %s', (more, allowSkip) => {
    expect(parse({ data: {}, ...more }).allowSkip).toBe(allowSkip)
  })

  it('reads labels, whose fields may be absent or null', () => {
    const { predictions, annotations } = parse({
      data: {},
      predictions: [
        { result: [1], score: 0.25, model_version: 'v' },
        { result: [], score: null, model_version: null },
      ],
      annotations: [
        {
          result: [{ a: 1 }],
          id: 12,
          lead_time: 2,
          was_cancelled: true,
          completed_by: { id: 3, email: 'ada@example.com' },
        },
        { result: [], id: 'a"b', lead_time: null, completed_by: 7 },
        { result: [], completed_by: null },
      ],
    })
    expect(predictions).toEqual([
      { result: '[1]', score: 0.25, modelVersion: 'v' },
      { result: '[]', score: null, modelVersion: null },
    ])
    expect(annotations).toEqual([
      {
        ...{
          result: '[{"a":1}]',
          wasCancelled: true,
          leadTimeSeconds: 2,
          completedBy: 'ada@example.com',
          importId: '12',
        },
        extra: '{"completed_by":{"id":3,"email":"ada@example.com"}}',
      },
      {
        ...{ result: '[]', wasCancelled: false, leadTimeSeconds: null, completedBy: '7', importId: 'a\\"b' },
        extra: '{"completed_by":7}',
      },
      { result: '[]', wasCancelled: false, leadTimeSeconds: null, completedBy: null, importId: null },
    ])
  })

  it('reads an exported annotation as its task with that annotation', () => {
    const task = { id: 5, project: 1, data: { n: 1 }, meta: null, allow_skip: false, predictions: [{ result: [2] }] }
    const exported = (id: number, more = {}) =>
      parse({ id, result: [id], completed_by: 'ada', task: { ...task, ...more } })
    expect(exported(9)).toEqual({
      data: '{"n":1}',
      meta: null,
      allowSkip: false,
      predictions: [{ result: '[2]', score: null, modelVersion: null }],
      annotations: [{ result: '[9]', wasCancelled: false, leadTimeSeconds: null, completedBy: 'ada', importId: '9' }],
      envelopeId: '5',
      origin: expect.any(String),
    })
    expect(exported(10).origin).toBe(exported(9).origin)
    expect(exported(10, { id: 6 }).origin).not.toBe(exported(9).origin)
    expect(exported(10, { data: { n: 2 } }).origin).not.toBe(exported(9).origin)
    const bareWithTask = { result: [1], task: { name: 'x' } }
    expect(parse(bareWithTask)).toEqual({ ...bare, data: JSON.stringify(bareWithTask) })
  })

  it.each([
    ['"0.97"', 0.97],
    ['" -1.5e-2 "', -0.015],
    ['1', 1],
    ['0.12345678901234567890', 0.12345678901234568],
  ])('reads the score %s as the number %d', (score, number) => {
    expect(parse(`{"data":{},"predictions":[{"result":[],"score":${score}}]}`).predictions[0]?.score).toBe(number)
  })

  it.each([
    ['3', '3'],
    ['1.5', '1.5'],
    ['123456789012345678901', '123456789012345678901'],
    ['"v1"', 'v1'],
  ])('reads the model version %s as the text %j', (version, text) => {
    const { predictions } = parse(`{"data":{},"predictions":[{"result":[],"model_version":${version}}]}`)
    expect(predictions[0]?.modelVersion).toBe(text)
  })

  it('reads the fields that have no column, with all digits, in their order', () => {
    const { extra, annotations, predictions } = parse(
      `{"source":"crawl","data":{},"overlap":12345678901234567890,"drafts":[{"result":[1.00000000000000000001]}],"id":1,
        "inner_id":2,"project":3,"total_annotations":1,"cancelled_annotations":0,"total_predictions":1,
        "annotations":[{"id":4,"task":1,"project":3,"result":[],"ground_truth":true,"last_action":null,"parent_prediction":5}],
        "predictions":[{"id":5,"task":1,"result":[],"cluster":1,"neighbors":[2],"updated_at":"2026-02-03T04:05:06Z"}]}`,
    )
    expect(extra).toBe(
      '{"source":"crawl","overlap":12345678901234567890,"drafts":[{"result":[1.00000000000000000001]}]}',
    )
    expect(annotations[0]?.extra).toBe('{"ground_truth":true,"last_action":null,"parent_prediction":5}')
    expect(predictions[0]?.extra).toBe('{"cluster":1,"neighbors":[2],"updated_at":"2026-02-03T04:05:06Z"}')
  })

  it('reads no times at all without keepTimes', () => {
    const times = { created_at: 'then', updated_at: 'now' }
    const task = parse({
      data: {},
      ...times,
      annotations: [{ result: [], ...times }],
      predictions: [{ result: [], ...times }],
    })
    expect(withoutTimes(task)).toEqual({
      ...{ ...bare, data: '{}', predictions: [{ result: '[]', score: null, modelVersion: null }] },
      annotations: [{ result: '[]', wasCancelled: false, leadTimeSeconds: null, completedBy: null, importId: null }],
    })
  })

  it('reads drafts as no labels', () => {
    const drafts = [{ id: 1, result: [{ value: { choices: ['a'] } }] }]
    expect(parse({ data: {}, drafts })).toEqual({ ...bare, data: '{}', extra: JSON.stringify({ drafts }) })
    expect(parse({ data: {}, meta: { a: 1 }, drafts: [] })).toEqual({
      ...{ ...bare, data: '{}', meta: '{"a":1}', extra: '{"drafts":[]}' },
    })
  })

  it('preserves values that their columns cannot hold', () => {
    expect(parse({ data: {}, meta: 'text', allow_skip: 'no' }).extra).toBe('{"meta":"text","allow_skip":"no"}')
  })

  it('imports a row whose predictions are ids, and says so', () => {
    const { issue, ...task } = parse(
      '{"data":{"n":1},"predictions":[286,{"result":[]},12345678901234567890],"annotations":[{"result":[7]}]}',
    )
    expect(task).toMatchObject({ data: '{"n":1}', predictions: [{ result: '[]' }], annotations: [{ result: '[7]' }] })
    expect(issue).toMatchObject({ code: 'PREDICTION_IDS', retryable: false })
    expect(issue?.message).toContain('(286, 12345678901234567890)')
    expect(parse({ data: {}, predictions: [...Array(9).keys()] }).issue?.message).toContain(
      '0, 1, 2, 3, 4 … (9 in all)',
    )
    expect(parse({ data: {}, predictions: [] }).issue).toBeUndefined()
  })

  it('preserves the digits of an id that is a big number', () => {
    const { annotations } = parse('{"data":{},"annotations":[{"result":[],"id":123456789012345678901}]}')
    expect(annotations[0]?.importId).toBe('123456789012345678901')
  })

  it.each([
    '{"image":"a.jpg","annotations":[{"label":"cat","coordinates":{"x":1.0,"y":2,"width":3,"height":4}}]}',
    '{"image":"b.jpg","annotations":[]}',
    '{"id":1,"text":"Ann lives in Ulm","annotations":[{"label":2,"start_offset":0,"end_offset":3,"user":1}],"meta":{}}',
    '{"id":2,"data":"Ann","annotations":[[0,3,"PER"]]}',
    '{"task_id":"5","type":"imageannotation","params":{},"annotations":[{"uuid":"x","left":1}],"response":{"annotations":[]}}',
    '{"text":"x","annotations":{"entities":[[0,1]]}}',
    '{"text":"x","annotations":"none"}',
  ])('reads a row of another tool as its data, with its annotations: %s', (text) => {
    expect(parse(text)).toEqual({ ...bare, data: text })
  })

  it('drops only the labels that are null from a bare row', () => {
    expect(parse('{"text":"x","annotations":[{"label":"a"}],"predictions":null}').data).toBe(
      '{"text":"x","annotations":[{"label":"a"}]}',
    )
  })

  it.each([
    '{"a":1.0,"b":12345678901234567890,"a":2}',
    String.raw`{"half":"\ud83d","nul":"\u0000"}`,
    '{"spread": [1,\n 2]}',
  ])('preserves the text of the bare task %j', (text) => {
    expect(parse(`${text}\r`).data).toBe(text)
  })

  it('accepts fields with the names of internal number fields', () => {
    expect(parse('{"rawJSON":"1"}').data).toBe('{"rawJSON":"1"}')
    expect(parse('{"data":{"rawJSON":"x"},"predictions":[]}').data).toBe('{"rawJSON":"x"}')
  })

  it.each([
    { data: { annotations: ['a', 'b'] } },
    { data: { annotations: [] } },
    { data: { annotations: [{ bbox: [1, 2, 3, 4], category_id: 1 }] } },
    { data: { annotations: [{ result: 'passed' }], predictions: 3 } },
  ])('reads %j as data, although it looks like labels', (task) => {
    expect(parse(task).data).toBe(JSON.stringify(task.data))
  })
})
