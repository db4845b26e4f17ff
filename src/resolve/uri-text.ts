/** A part of a text that is a URI. */
export interface UriSpan {
  start: number
  end: number
  uri: string
}

/** Up to white space, quotes and angle brackets, also where HTML spells them by character references. */
const bare = /(?:(?!&(?:quot|apos|lt|gt|nbsp|#0*3[49]|#x0*2[27]);)[^\s"'<>`])*/iy
const pairs: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

/**
 * The length of a URI that begins at `start` in prose. Punctuation after it is not part of it, and neither is a bracket that was opened
 * before it. If a quote is inside a word, the end is unclear: `isClear` is false, and `length` is that of the word.
 */
export function bareUri(value: string, start: number): { length: number; isClear: boolean } {
  bare.lastIndex = start
  const uri = bare.exec(value)![0]
  const rest = value.slice(start + uri.length, start + uri.length + 3)
  if (/^["'`][\p{L}\p{N}_/]/u.test(rest)) {
    const word = /\S*/y
    word.lastIndex = start
    return { length: word.exec(value)![0].length, isClear: false }
  }
  let end = uri.length
  const count = (char: string) => uri.slice(0, end).split(char).length - 1
  // Each bracket is counted once, because a text can end in many of them.
  const excess = Object.fromEntries(Object.entries(pairs).map(([close, open]) => [close, count(close) - count(open)]))
  for (; end > 0; end--) {
    const last = uri[end - 1]!
    if (last in pairs) {
      if (excess[last]!-- <= 0) break
    } else if (!'.,;:!?'.includes(last)) break
  }
  return { length: end, isClear: true }
}

/**
 * The URIs of a list that begins at `start`, separated by white space, each with an optional descriptor or comma (HTML, "srcset
 * attributes"). None if the list contains anything else, which could be the rest of a URI with a space.
 */
export function uriList(text: string, start: number, isUrl: (word: string) => boolean): UriSpan[] {
  const spans: UriSpan[] = []
  for (const { 0: token, index } of text.matchAll(/\S+/g)) {
    if (/^(?:,|\d+(?:\.\d+)?[wxh],?)$/.test(token)) continue
    if (!/^[a-z][\w+.-]*:\/\//i.test(token) && !isUrl(token)) return []
    const uri = token.replace(/,$/, '')
    spans.push({ start: start + index, end: start + index + uri.length, uri })
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
