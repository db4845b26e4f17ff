import type { Grammar } from './grammar.ts'

/** A part of a text that is a URI. */
export interface UriSpan {
  start: number
  end: number
  uri: string
}

const plain = /[^\s"'<>`&\\,;|]*/y
const pairs: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

/**
 * The length of a URI that begins at `start` in prose. Punctuation after it is not part of it, and neither is a bracket that was opened
 * before it. If a quote is inside a word, the end is unclear: `isClear` is false, and `length` is that of the word.
 */
export function bareUri(grammar: Grammar, value: string, start: number): { length: number; isClear: boolean } {
  const { uri, isEscaped } = wordAt(grammar, value, start)
  const rest = value.slice(start + uri.length, start + uri.length + 3)
  if (!isEscaped && /^["'`][\p{L}\p{N}_/]/u.test(rest)) {
    const word = /\S*/y
    word.lastIndex = start
    return { length: word.exec(value)![0].length, isClear: false }
  }
  let end = uri.length
  // A quote in JSON that is inside JSON has one or more backslashes.
  if (!isEscaped && rest.startsWith('\\')) while (uri[end - 1] === '\\') end--
  const count = (char: string) => uri.slice(0, end).split(char).length - 1
  // Each bracket is counted once, because a text can end in many of them.
  const excess = Object.fromEntries(Object.entries(pairs).map(([close, open]) => [close, count(close) - count(open)]))
  for (; end > 0; end--) {
    const last = uri[end - 1]!
    if (last in pairs) {
      if (excess[last]!-- <= 0) break
    } else if (!'.,;:!?|'.includes(last)) break
  }
  return { length: end, isClear: true }
}

/** The word at `start`. Most URIs contain nothing that has to be looked at more closely. */
function wordAt(grammar: Grammar, value: string, start: number): { uri: string; isEscaped: boolean } {
  plain.lastIndex = start
  const [uri] = plain.exec(value)!
  const end = start + uri.length
  if (!'&\\,;|'.includes(value[end] ?? ' ')) return { uri, isEscaped: false }
  if (value[end] === '\\' && isLineEscape(grammar, value, { start, at: end })) return { uri, isEscaped: true }
  grammar.bare.lastIndex = start
  return { uri: grammar.bare.exec(value)![0], isEscaped: false }
}

// Line breaks, tabs, quotes and angle brackets in JSON.
const jsonEscape = /(?:\\+(?:[nrt]|u00(?:0[9aAdD]|2[27]|3[cCeE])))+/y

/**
 * Whether a JSON escape at `at` ends the URI that begins at `start`: after a file extension, or before another URI. Elsewhere a
 * backslash can be part of the key.
 */
export function isLineEscape({ uri }: Grammar, text: string, { start, at }: { start: number; at: number }): boolean {
  jsonEscape.lastIndex = at
  const found = jsonEscape.exec(text)
  if (!found) return false
  uri.lastIndex = at + found[0].length
  return hasExtension(text.slice(start, at)) || uri.test(text)
}

/** The text without these characters at its end. */
function trimMarks(text: string, marks: string): string {
  let end = text.length
  while (end > 0 && marks.includes(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** An item of a list without the separator after it, which HTML can write as a line break (`&#10;`). */
function trimSeparators(text: string): string {
  const trimmed = trimMarks(text, ',;|<')
  const [reference] = /&#(?:0*1[03]|x0*[ad])$/i.exec(trimmed.slice(-16)) ?? []
  return reference === undefined ? trimmed : trimSeparators(trimmed.slice(0, -reference.length))
}

/** A file extension: up to eight letters and digits, at least one of them a letter. */
const hasExtension = (text: string) => /\.\d*[a-z][a-z\d]*$/i.test(text.slice(-9))

/** Whether a text looks like one URI with spaces: its end has a file extension, and its first word has none. */
export function isUriWithSpaces(text: string): boolean {
  const [first] = /^\S*/.exec(text)!
  return first.length < text.length && !hasExtension(trimMarks(first, '.,;:!?|')) && hasExtension(text)
}

/**
 * The URI that a text begins with, if it is clear: the whole text, or the first word, which has a file extension. Undefined if it is
 * unclear how many words belong to it.
 */
export function leadingUri(text: string): string | undefined {
  if (!/\s/.test(text) || isUriWithSpaces(text)) return text
  const first = trimMarks(/^\S*/.exec(text)![0], '.,;:!?|')
  return hasExtension(first) ? first : undefined
}

/**
 * The URIs of a list that begins at `start`: after a separator, or after white space and with an optional descriptor or comma (HTML,
 * "srcset attributes"). Undefined if the text has one URI only. None if any URI is unclear, because of other words after it.
 */
export function uriList(
  grammar: Grammar,
  { text, start, isSrcset = false }: { text: string; start: number; isSrcset?: boolean },
): UriSpan[] | undefined {
  if (!isSrcset && !grammar.mayList(text)) return undefined
  const items: { start: number; first: string; end: number; hasMore: boolean }[] = []
  for (const { 0: word, index } of text.matchAll(grammar.word)) {
    const last = items.at(-1)
    if (grammar.isUri(word)) items.push({ start: index, first: word, end: index + word.length, hasMore: false })
    else if (last && !/^(?:[,;|]|\d+(?:\.\d+)?[wxh],?)$/.test(word)) {
      last.end = index + word.length
      last.hasMore = true
    }
  }
  if (items.length < 2 && !(isSrcset && /\s/.test(text))) return undefined
  const spans: UriSpan[] = []
  for (const item of items) {
    if (isSrcset && item.hasMore) return []
    const full = trimSeparators(text.slice(item.start, item.end))
    const uri = item.hasMore ? leadingUri(full) : full
    if (uri === undefined) return []
    spans.push({ start: start + item.start, end: start + item.start + uri.length, uri })
  }
  return spans
}

/**
 * The destination in the parentheses of a Markdown link, without a title (CommonMark, "Links") or size (`=640x480`). Undefined if its
 * end is unclear.
 */
export function markdownDestination(content: string): string | undefined {
  let text = content.trimEnd()
  const last = text.at(-1)
  if (last === '"' || last === "'") {
    const open = text.lastIndexOf(last, text.length - 2)
    if (open > 0 && /\s/.test(text[open - 1]!)) text = text.slice(0, open).trimEnd()
  }
  const size = /\s=\d*x\d*$/.exec(text.slice(-32))
  if (size) text = text.slice(0, -size[0].length).trimEnd()
  // A title that contains a parenthesis or is in parentheses.
  return /\s["'][^"']*$/.test(text.slice(-256)) || /\s\([^()]*\)$/.test(text.slice(-256)) ? undefined : text
}
