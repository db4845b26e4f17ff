import { LRUCache } from 'lru-cache'
import { providers } from '../providers/registry.ts'

/** Regular expressions for URIs in text. Each one takes time linear in the text. */
export interface Grammar {
  /** Sticky: a URI in prose. */
  bare: RegExp
  /** Global: what ends a URI everywhere: a tab, a line break, a tag, an escaped quote, or a separator before another URI. */
  stop: RegExp
  /** Global: a tag. */
  tag: RegExp
  /** Global: a word, which also ends at a separator before another URI. */
  word: RegExp
  /** White space before a URI. */
  nextWord: RegExp
  /** Sticky: how a URI or mapped URL begins. */
  uri: RegExp
  /** Whether another URI or mapped URL can follow in a text that begins with one. */
  mayList(text: string): boolean
  /** Whether a word begins as a URI, or as a URL that a mapping covers. */
  isUri(word: string): boolean
}

/** Quotes that HTML spells by character references. */
export const quoteReference = '&(?:quot|apos|#0*3[49]|#x0*2[27]);'
const reference = '&(?:quot|apos|lt|gt|nbsp|#0*3[49]|#x0*2[27]);'
const escapedQuote = String.raw`\\["'\x60]`
const tag = String.raw`<(?:/?[a-z][a-z\d-]*(?:\s[^<>]*)?/?|!--[^<>]*)>`

/** Schemes of all kinds of storage, with their aliases. */
export const schemes: ReadonlyMap<string, string> = new Map(
  Object.values(providers).flatMap(({ uriScheme, uriAliases = [] }) =>
    [uriScheme, ...uriAliases].map((name) => [name, uriScheme] as const),
  ),
)

const grammars = new LRUCache<string, Grammar>({ max: 100 })

/** The text as a regular expression that matches only this text. */
export const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

/** A regular expression for a word of letters, digits and hyphens in any case. V8 does not match `(?i:s3|s3a)` to S3A. */
export const inAnyCase = (word: string) => word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)

/** @param prefixes what mapped URLs begin with */
export function grammarFor(prefixes: readonly string[]): Grammar {
  const mapped = prefixes.map(literal)
  const name = mapped.join('|')
  const known = grammars.get(name)
  if (known) return known
  const uri = String.raw`(?:${[...schemes.keys(), 'https?'].join('|')})://[^\s/"'<>,;|]{0,300}/`
  const start = `(?:${[uri, ...mapped].join('|')})`
  const separator = `[,;|<](?=${start})`
  const grammar: Grammar = {
    bare: new RegExp(String.raw`(?:[^\s"'<>\x60&\\,;|]+|(?!${reference}|${escapedQuote}|${separator})[&\\,;|])*`, 'iy'),
    stop: new RegExp(String.raw`[\t\r\n]|${tag}|${escapedQuote}|${reference}|[,;|<]\s*(?=${start})`, 'gi'),
    tag: new RegExp(tag, 'gi'),
    word: new RegExp(String.raw`(?:[^\s,;|<]+|(?!${separator})[,;|<])+`, 'gi'),
    nextWord: new RegExp(String.raw`\s(?=${start})`, 'i'),
    uri: new RegExp(start, 'iy'),
    mayList: (text) => prefixes.length > 0 || text.indexOf('://', text.indexOf('://') + 3) > 0,
    isUri: (word) => /^[a-z][\w+.-]*:\/\//i.test(word) || prefixes.some((prefix) => word.startsWith(prefix)),
  }
  grammars.set(name, grammar)
  return grammar
}

/**
 * Creates a search for a global `pattern`. The search returns the position of the first match at or after a position, or -1. It reads
 * the text once if the positions come in ascending order.
 */
export function createSearch(value: string, pattern: RegExp): (from: number) => number {
  let searchedFrom = -1
  let found = -1
  return (from) => {
    if (searchedFrom >= 0 && from >= searchedFrom && (found < 0 || found >= from)) return found
    pattern.lastIndex = from
    searchedFrom = from
    found = pattern.exec(value)?.index ?? -1
    return found
  }
}
