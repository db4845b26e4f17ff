import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rowsOf } from '@sluice/testkit/one-object.ts'

/** What an import makes of a file, beside what it must make of it. */
export interface Comparison {
  file: string
  rows: number
  /** The first difference; undefined if there is none. */
  difference?: string
  /** False where there is nothing to compare with: pyarrow itself cannot read the file. */
  isKnown: boolean
}

/** The Parquet files of a folder, by name. */
export const filesIn = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.parquet'))
    .sort()

/**
 * Reads a file as an import does, and compares its rows with `FILE.jsonl`, or its issue with `FILE.issue`, which
 * `expect.py` and `generate.py` have written.
 */
export async function compareFile(folder: string, file: string): Promise<Comparison> {
  const path = join(folder, file)
  const found = await rowsOf(readFileSync(path))
  const rows = found.length
  if (existsSync(`${path}.issue`)) {
    const code = readFileSync(`${path}.issue`, 'utf8').trim()
    const codes = found.map(([, , value]) => value)
    return {
      file,
      rows,
      isKnown: true,
      ...(!codes.includes(code) && { difference: `no ${code}, but ${codes.slice(0, 3)}` }),
    }
  }
  if (!existsSync(`${path}.jsonl`)) return { file, rows, isKnown: false }
  const expected = readFileSync(`${path}.jsonl`, 'utf8').split('\n').slice(0, -1)
  for (const [n, line] of expected.entries()) {
    const [, , data] = found[n] ?? []
    if (data === undefined)
      return { file, rows, isKnown: true, difference: `row ${n} of ${expected.length} is missing` }
    if (typeof data !== 'string' || !data.startsWith('{'))
      return { file, rows, isKnown: true, difference: `row ${n}: ${data}` }
    const difference = firstDifference(canonical(line), canonical(data), '')
    if (difference) return { file, rows, isKnown: true, difference: `row ${n}${difference}` }
  }
  const isMore = rows > expected.length
  return { file, rows, isKnown: true, ...(isMore && { difference: `${rows} rows instead of ${expected.length}` }) }
}

type Value = string | boolean | null | Value[] | Map<string, Value>

/** JSON with numbers as their digits, so that `1.50` is `1.5`, and nothing is rounded. */
function canonical(text: string): Value {
  const revive = (value: unknown): Value => {
    if (value === null || typeof value === 'boolean') return value
    if (typeof value === 'string') return `"${value}"`
    if (Array.isArray(value)) return value.map(revive)
    if (JSON.isRawJSON(value)) return digits(value.rawJSON)
    return new Map(Object.entries(value as object).map(([name, item]) => [name, revive(item)]))
  }
  const keep = (_key: string, value: unknown, { source }: { source?: string }) =>
    typeof value === 'number' ? JSON.rawJSON(source!) : value
  return revive(JSON.parse(text, keep as Parameters<typeof JSON.parse>[1]))
}

function digits(source: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(source) ?? []
  const significant = `${whole}${fraction}`.replace(/^0+/, '')
  const short = significant.replace(/0+$/, '')
  if (short === '') return '0'
  return `${sign}${short}e${Number(exponent) - fraction.length + significant.length - short.length}`
}

function firstDifference(expected: Value, found: Value | undefined, path: string): string | undefined {
  if (Array.isArray(expected) && Array.isArray(found) && expected.length === found.length) {
    return expected.map((item, n) => firstDifference(item, found[n], `${path}[${n}]`)).find(Boolean)
  }
  if (expected instanceof Map && found instanceof Map && expected.size === found.size) {
    return [...expected].map(([name, item]) => firstDifference(item, found.get(name), `${path}.${name}`)).find(Boolean)
  }
  return expected === found ? undefined : `${path}: expected ${shown(expected)}, found ${shown(found)}`
}

const shown = (value: Value | undefined) =>
  JSON.stringify(value instanceof Map ? [...value] : value, (_, item) =>
    item instanceof Map ? [...item] : item,
  )?.slice(0, 200)
