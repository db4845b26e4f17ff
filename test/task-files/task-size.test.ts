import { describe, expect, it } from 'vitest'
import { sizeOfText } from '../../src/security/json-size.ts'
import { parseTask, rowTaskOf } from '../../src/task-files/parse-task.ts'

const tooLarge = expect.objectContaining({ code: 'TASK_TOO_LARGE' })
const manyKeys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 1]))

describe('the size of a task', () => {
  it.each([
    ['keys', { data: manyKeys(250_001) }],
    ['items of lists', { data: { list: Array(250_001).fill(0) } }],
    ['predictions', { data: {}, predictions: [{ result: Array(250_001).fill(0) }] }],
    ['annotations', { data: {}, annotations: [{ result: Array(250_001).fill(0) }] }],
    ['meta', { data: {}, meta: { list: Array(250_001).fill(0) } }],
  ])('is limited in %s, whether a row is JSON or Parquet', (_what, row) => {
    expect(() => parseTask(Buffer.from(JSON.stringify(row)))).toThrow(tooLarge)
    expect(() => rowTaskOf(row)).toThrow(tooLarge)
  })

  it('may be large in one text, which may contain commas and brackets', () => {
    const text = '[{,'.repeat(500_000)
    expect(JSON.parse(parseTask(Buffer.from(JSON.stringify({ text }))).data)).toEqual({ text })
  })

  it.each([
    ['{}', 2, 1],
    ['[1,[2,"[,\\"[",3]]', 6, 2],
    ['"a"', 1, 0],
  ])('of %s is %i values and %i levels at most', (text, values, depth) => {
    expect(sizeOfText(text)).toEqual({ values, depth })
  })
})
