/** Any JSON value. An integer that JavaScript cannot hold exactly, or a number too large for it, is a `RawNumber`. */
export type Json = null | boolean | number | string | RawNumber | Json[] | { [key: string]: Json }

/** A JSON object. */
export type JsonObject = { [key: string]: Json }

/** A number kept as its digits; `JSON.stringify` writes them back unchanged. */
export interface RawNumber {
  readonly rawJSON: string
}

// An integer of so many digits, or so large an exponent, where a value may stand: reviving costs ten times as much.
const longNumber = /(?:^|[\s:,[])-?\d{16}|\d[eE]\+?\d{3,}(?:[\s,\]}]|$)/

type SourceReviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown

declare global {
  interface JSON {
    /** ECMAScript proposal "JSON.parse source text access"; Node has it since 21. */
    rawJSON(text: string): RawNumber
    isRawJSON(value: unknown): value is RawNumber
  }
}

const keepDigits: SourceReviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || source === undefined) return value
  // `JSON.stringify` would make null of it.
  if (!Number.isFinite(value)) return JSON.rawJSON(source)
  if (source.length < 16) return value
  return JSON.stringify(value) === source || !/^-?\d+$/.test(source) || Number.isSafeInteger(value)
    ? value
    : JSON.rawJSON(source)
}

/** False when `JSON.parse` reads the text as it is written; true when it may change numbers that `parseJson` keeps. */
export function mayLoseDigits(text: string): boolean {
  return longNumber.test(text)
}

/**
 * `JSON.parse` that keeps the digits of integers beyond 2^53 and of numbers beyond 1.8e308 (they become `RawNumber`s).
 * @throws SyntaxError when the text is not JSON.
 */
export function parseJson(text: string): Json {
  return longNumber.test(text)
    ? (JSON.parse(text, keepDigits as Parameters<typeof JSON.parse>[1]) as Json)
    : (JSON.parse(text) as Json)
}

/** True for a JSON object: not null, no array, no number kept as digits. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
}
