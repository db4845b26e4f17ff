import type { Json } from '../../json.ts'

const msPerDay = 86_400_000

/** A number, or null for what JSON has no number for. */
export const finite = (value: number) => (Number.isFinite(value) ? value : null)

/** An integer; as digits, where a number of JavaScript would change them. */
export const integer = (value: bigint): Json =>
  BigInt.asIntN(54, value) === value ? Number(value) : JSON.rawJSON(String(value))

/** A date, by its days since 1970-01-01; as that number where no calendar has it. */
export const day = (days: number): Json =>
  Math.abs(days) <= 1e8 ? new Date(days * msPerDay).toISOString().replace(/T.*/, '') : days

/** A point in time since 1970-01-01, as RFC 3339 with all its fractions; as that number where no calendar has it. */
export function time(value: bigint, perSecond: bigint): Json {
  const fraction = ((value % perSecond) + perSecond) % perSecond
  const seconds = Number((value - fraction) / perSecond)
  if (Math.abs(seconds) > 8.64e12) return integer(value)
  return `${new Date(seconds * 1_000).toISOString().slice(0, -5)}.${padded(fraction, perSecond)}Z`
}

/** A time of day, which no more than 24 hours have. */
export function clock(value: bigint, perSecond: bigint): Json {
  if (value < 0n || value >= 86_400n * perSecond) return integer(value)
  return String(time(value, perSecond)).slice(11, -1)
}

const padded = (fraction: bigint, perSecond: bigint) => String(fraction).padStart(String(perSecond).length - 1, '0')

/** A number with `scale` digits after the point. Written as digits if a number of JavaScript would change them. */
export function decimal(unscaled: bigint, scale: number): Json {
  if (scale <= 0) return integer(unscaled * 10n ** BigInt(-scale))
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const text = `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  const short = text.replace(/\.?0+$/, '')
  return String(Number(text)) === short ? Number(text) : JSON.rawJSON(text)
}

/** Sixteen bytes as RFC 9562 writes them. */
export const uuid = (bytes: Buffer, at: number): string =>
  bytes.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
