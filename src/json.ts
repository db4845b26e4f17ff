/** Any JSON value. A number whose digits JavaScript would change is a `RawNumber`. */
export type Json = null | boolean | number | string | RawNumber | Json[] | { [key: string]: Json }

/** A JSON object. */
export type JsonObject = { [key: string]: Json }

/** A number kept as its digits; `JSON.stringify` writes them back unchanged. */
export interface RawNumber {
  readonly rawJSON: string
}

// A number of so many digits, or with so large an exponent, where a value may stand. Only such can lose digits.
const longNumber = /(?:^|[\s:,[])(-?\d[\d.]{15,}(?:[eE][-+]?\d+)?|-?\d[\d.]*[eE][-+]?\d{3,})/g
const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/

type SourceReviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown

declare global {
  interface JSON {
    /** ECMAScript proposal "JSON.parse source text access"; Node has it since 21. */
    rawJSON(text: string): RawNumber
    isRawJSON(value: unknown): value is RawNumber
  }
}

const keepDigits: SourceReviver = (_key, value, { source }) =>
  typeof value !== 'number' || source === undefined || isExact(source) ? value : JSON.rawJSON(source)

/** Whether a number of JavaScript has all the digits that this one is written with. */
function isExact(source: string): boolean {
  // Fifteen digits and their sign and point always fit.
  if (source.length < 16 && !/[eE]/.test(source)) return true
  const written = String(Number(source))
  return written === source || digitsOf(written) === digitsOf(source)
}

/** The digits of a number without zeros at its ends, and where its point is; so `1.50` and `15e-1` are the same. */
function digitsOf(source: string): string {
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts.exec(source) ?? []
  // What is too large for JavaScript is written as a word.
  if (sign === undefined) return source
  const significant = `${whole}${fraction}`.replace(/^0+/, '')
  const digits = significant.replace(/0+$/, '')
  return digits === ''
    ? '0'
    : `${sign}${digits}e${Number(exponent) - fraction.length + significant.length - digits.length}`
}

/** False when `JSON.parse` keeps the digits of all numbers of the text; true when it may change numbers that `parseJson` keeps. */
export function mayLoseDigits(text: string): boolean {
  // To revive all values costs ten times as much as to look at the long numbers.
  for (const [, source] of text.matchAll(longNumber)) if (!isExact(source!)) return true
  return false
}

/**
 * `JSON.parse` that keeps the digits of numbers that JavaScript would round: integers beyond 2^53, long fractions, and
 * numbers beyond 1.8e308 or too close to 0 (they become `RawNumber`s).
 * @throws SyntaxError when the text is not JSON.
 */
export function parseJson(text: string): Json {
  return mayLoseDigits(text)
    ? (JSON.parse(text, keepDigits as Parameters<typeof JSON.parse>[1]) as Json)
    : (JSON.parse(text) as Json)
}

/** True for a JSON object: not null, no array, no number kept as digits. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
}
