/** Any JSON value. A number whose digits JavaScript would change is a `RawNumber`. */
export type Json = null | boolean | number | string | RawNumber | Json[] | { [key: string]: Json }

/** A JSON object. */
export type JsonObject = { [key: string]: Json }

/** A number in its original digits. `JSON.stringify` writes them unchanged. */
interface RawNumber {
  readonly rawJSON: string
}

// A number with at least 16 digits or a three-digit exponent, at the position of a value. Only such numbers can lose digits.
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

/** True if a JavaScript number keeps all digits of this text. */
function isExact(source: string): boolean {
  // Up to 15 characters without an exponent always fit.
  if (source.length < 16 && !/[eE]/.test(source)) return true
  const written = String(Number(source))
  return written === source || digitsOf(written) === digitsOf(source)
}

/** Normalizes a number: its digits without leading and trailing zeros, and the exponent. `1.50` and `15e-1` are equal. */
function digitsOf(source: string): string {
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts.exec(source) ?? []
  // JavaScript writes a number that is too large as `Infinity`.
  if (sign === undefined) return source
  const significant = `${whole}${fraction}`.replace(/^0+/, '')
  const digits = significant.replace(/0+$/, '')
  return digits === ''
    ? '0'
    : `${sign}${digits}e${Number(exponent) - fraction.length + significant.length - digits.length}`
}

/** True if `JSON.parse` may change the digits of a number in the text. `parseJson` keeps them. */
export function mayLoseDigits(text: string): boolean {
  // A reviver for all values takes ten times as long as checking the long numbers.
  for (const [, source] of text.matchAll(longNumber)) if (!isExact(source!)) return true
  return false
}

/**
 * `JSON.parse` that keeps the digits of numbers that JavaScript would round: integers beyond 2^53, long fractions, and
 * numbers beyond 1.8e308 or too close to 0 (they become `RawNumber`s).
 * @throws SyntaxError when the text is not JSON.
 */
export function parseJson(text: string): Json {
  return mayLoseDigits(text) ? JSON.parse(text, keepDigits as Parameters<typeof JSON.parse>[1]) : JSON.parse(text)
}

/** True for a JSON object: not null, an array or a `RawNumber`. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
}
