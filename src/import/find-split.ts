/** The keys after a key: they begin with `prefix`, and the next character is at most `greatest`. */
export interface FollowingKeys {
  prefix: string
  greatest: number
}

/**
 * Finds where the keys after the key `from` first differ from it, with about ten LIST calls. `firstAfter` returns the first key
 * after a string, or undefined. Null if no key follows.
 */
export async function findFollowingKeys(
  from: string,
  firstAfter: (text: string) => Promise<string | undefined>,
): Promise<FollowingKeys | null> {
  const characters = [...from]
  const firstCharacters = (length: number) => characters.slice(0, length).join('')
  // The first key after all keys that share the first `length` characters of `from`.
  const firstBeyond = (length: number) => firstAfter(firstCharacters(length) + maxCharacter)
  if ((await firstBeyond(characters.length)) === undefined) return null
  // The shortest prefix of `from` with keys after all keys that share it.
  let [none, some] = [-1, characters.length]
  while (some - none > 1) {
    const middle = Math.floor((none + some) / 2)
    if ((await firstBeyond(middle)) === undefined) none = middle
    else some = middle
  }
  const prefix = firstCharacters(some - 1)
  const first = await firstAfter(firstCharacters(some) + maxCharacter)
  if (first === undefined || !first.startsWith(prefix)) return null
  // The greatest next character after that prefix.
  let greatest = codePointAfter(first, prefix)
  let end = greatest < 0x7f && (await firstAfter(`${prefix}\u007f`)) === undefined ? 0x7f : 0x110000
  while (end - greatest > 1) {
    const middle = Math.floor((greatest + end) / 2)
    const found = await firstAfter(prefix + character(middle))
    if (found === undefined) end = middle
    else greatest = found.startsWith(prefix) ? Math.max(middle, codePointAfter(found, prefix)) : middle
  }
  return { prefix, greatest }
}

/** A string halfway between a key and the last key after it; null if the key is at the end or does not share the prefix. */
export function middleOf({ prefix, greatest }: FollowingKeys, from: string): string | null {
  const start = from.startsWith(prefix) && from.length > prefix.length ? codePointAfter(from, prefix) : greatest
  return start >= greatest ? null : prefix + character(Math.ceil((start + greatest) / 2))
}

/** Sorts after every character that keys contain. */
const maxCharacter = '\u{10ffff}'

const codePointAfter = (key: string, prefix: string) => key.codePointAt(prefix.length)!

/** The character of a code point; surrogates become the next valid code point. */
const character = (point: number) => String.fromCodePoint(point >= 0xd800 && point <= 0xdfff ? 0xe000 : point)
