import { RE2JS } from 're2js'
import { translateGlob } from './glob.ts'

/** Maximum characters of one pattern. */
const maxPatternLength = 1_000
/** Maximum instructions of one compiled pattern. RE2 takes up to 100 ns per instruction and character of a key. */
const maxPatternSize = 500
/** Maximum patterns of one list. */
export const maxPatterns = 100
// Maximum instructions × characters, which limits the time for one key. A link stores at most 2,600 bytes of key, so even the
// largest pattern can read every key that can be imported. Longer keys are issues anyway.
const maxSteps = 2_600 * maxPatternSize

/** A pattern that matches a key in linear time. */
export type Pattern = (key: string) => boolean

/** Compiles a regular expression (RE2 syntax) that must match from the start of a key. @throws Error with the reason */
export function compileRegex(text: string): Pattern {
  assertShort(text)
  const { regex, maxLength } = compile(text)
  return (key) => key.length > maxLength || regex.matcher(key).lookingAt()
}

/**
 * Compiles a glob that must match the whole key, as `translateGlob` reads it. `unsupported` is undefined, or says which syntax of other
 * tools the glob contains. @throws Error with the reason
 */
export function compileGlob(text: string): { matches: Pattern; unsupported: string | undefined } {
  if (text === '') throw new Error('is empty')
  assertShort(text)
  const { regex: source, unsupported } = translateGlob(text)
  const { regex, maxLength } = compile(source)
  return { matches: (key) => key.length > maxLength || regex.matches(key), unsupported }
}

/** The compiled pattern, and the length of the longest key that it may read. */
function compile(text: string): { regex: RE2JS; maxLength: number } {
  const copies = countedCopies(text)
  if (copies > 2 * maxPatternSize) throw new Error(`repeats ${copies} times in all; the limit is ${2 * maxPatternSize}`)
  const regex = RE2JS.compile(text)
  const size = regex.programSize()
  if (size > maxPatternSize) {
    throw new Error(
      `compiles to ${size} instructions; the limit is ${maxPatternSize}. Use fewer or smaller repetitions`,
    )
  }
  return { regex, maxLength: maxSteps / size }
}

function assertShort(text: string): void {
  if (text.length > maxPatternLength) throw new Error(`has ${text.length} characters; the limit is ${maxPatternLength}`)
}

/**
 * Sum of the counts in repetitions such as `x{30}`. It bounds the time to compile: the parser multiplies nested counts, and
 * refuses products above 1,000.
 */
function countedCopies(text: string): number {
  let sum = 0
  for (const [, least, most] of text.matchAll(/\\.|\{(\d{1,9})(?:,(\d{0,9}))?\}/gs)) {
    if (least !== undefined) sum += Number(most || least)
  }
  return sum
}
