import type { Json } from '../json.ts'

// ISO 8601 and RFC 3339 as exports have them: a space may stand for the T, and a time without an offset is in UTC.
const iso = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i
const [firstYear, lastYear] = [1900, 9999]
// Older exports count seconds since 1970, some programs milliseconds. In seconds this is the year 5138.
const leastMilliseconds = 1e11

/**
 * A time of a file as PostgreSQL reads it, to the microsecond: text, or a number of seconds or milliseconds since 1970.
 * Undefined if the value is no time, or not between the years 1900 and 9999.
 */
export function fileTime(value: Json): string | undefined {
  const number = JSON.isRawJSON(value) ? Number(value.rawJSON) : value
  if (typeof number === 'number') {
    const date = new Date(number < leastMilliseconds ? Math.round(number * 1_000) : number)
    return isPossible(date) ? date.toISOString() : undefined
  }
  const found = typeof number === 'string' ? iso.exec(number.trim()) : null
  if (!found) return undefined
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset = 'Z'] = found
  const date = `${year}-${month}-${day}`
  const time = `${hour}:${minute}:${second}`
  const zone = offset.toUpperCase() === 'Z' ? 'Z' : `${offset.slice(0, 3)}:${offset.slice(3).replace(':', '') || '00'}`
  // JavaScript takes 30 February for 2 March.
  const isDay = new Date(`${date}T00:00:00Z`).getUTCDate() === Number(day)
  if (!isDay || !isPossible(new Date(`${date}T${time}${zone}`))) return undefined
  return `${date}T${time}.${fraction.slice(0, 6).padEnd(6, '0')}${zone}`
}

function isPossible(date: Date): boolean {
  const year = date.getUTCFullYear()
  return year >= firstYear && year <= lastYear
}
