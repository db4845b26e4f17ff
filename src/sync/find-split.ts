/**
 * Where a range of keys can be cut so that something lies on both sides, found by asking for the first key behind a string
 * (`firstAfter`; undefined = there is none): between `from`, a key, and the end, about in the middle of the first characters in
 * which the keys ahead differ from it. Some ten questions. Null when nothing is ahead, or nothing between.
 */
export async function findSplit(
  from: string,
  firstAfter: (text: string) => Promise<string | undefined>,
): Promise<string | null> {
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
  const start = points[some - 1]!.codePointAt(0)!
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
  return prefix + character(Math.ceil((start + greatest) / 2))
}

/** Sorts behind every character that keys have. */
const last = '\u{10ffff}'

const charAt = (key: string, prefix: string) => key.codePointAt(prefix.length)!

/** The character of a number; one that stands only for half of another, the next one that is whole. */
const character = (point: number) => String.fromCodePoint(point >= 0xd800 && point <= 0xdfff ? 0xe000 : point)
