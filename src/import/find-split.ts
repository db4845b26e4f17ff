/** What lies ahead of a key: keys that begin with `prefix` and go on with a greater character, up to `greatest`. */
export interface Ahead {
  prefix: string
  greatest: number
}

/**
 * What lies ahead of `from`, a key, where the keys ahead first differ from it; found by asking for the first key behind a string
 * (`firstAfter`; undefined = there is none), some ten times. Null when nothing is ahead.
 */
export async function lookAhead(
  from: string,
  firstAfter: (text: string) => Promise<string | undefined>,
): Promise<Ahead | null> {
  const points = [...from]
  const head = (length: number) => points.slice(0, length).join('')
  const beyond = (length: number) => firstAfter(head(length) + last)
  if ((await beyond(points.length)) === undefined) return null
  // The shortest beginning of `from` behind whose namesakes there still is something.
  let [none, some] = [-1, points.length]
  while (some - none > 1) {
    const middle = Math.floor((none + some) / 2)
    if ((await beyond(middle)) === undefined) none = middle
    else some = middle
  }
  const prefix = head(some - 1)
  const first = await firstAfter(head(some) + last)
  if (first === undefined || !first.startsWith(prefix)) return null
  // The greatest character behind that beginning.
  let greatest = charAt(first, prefix)
  let end = greatest < 0x7f && (await firstAfter(`${prefix}\u007f`)) === undefined ? 0x7f : 0x110000
  while (end - greatest > 1) {
    const middle = Math.floor((greatest + end) / 2)
    const found = await firstAfter(prefix + character(middle))
    if (found === undefined) end = middle
    else greatest = found.startsWith(prefix) ? Math.max(middle, charAt(found, prefix)) : middle
  }
  return { prefix, greatest }
}

/** A string in the middle between a key and the end of what is ahead of it; null when the key is at that end, or elsewhere. */
export function middleOf({ prefix, greatest }: Ahead, from: string): string | null {
  const start = from.startsWith(prefix) && from.length > prefix.length ? charAt(from, prefix) : greatest
  return start >= greatest ? null : prefix + character(Math.ceil((start + greatest) / 2))
}

/** Sorts behind every character that keys have. */
const last = '\u{10ffff}'

const charAt = (key: string, prefix: string) => key.codePointAt(prefix.length)!

/** The character of a number; one that stands only for half of another, the next one that is whole. */
const character = (point: number) => String.fromCodePoint(point >= 0xd800 && point <= 0xdfff ? 0xe000 : point)
