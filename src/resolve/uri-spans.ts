import { decodeHTML, decodeHTMLAttribute } from 'entities'
import { createPartners } from './partners.ts'
import { bareUri, markdownDestination, type UriSpan, uriList } from './uri-text.ts'

/** The spans at one position; empty if the end is unclear. The search continues at `next`. */
interface Found {
  spans: UriSpan[]
  next: number
}

// A key has at most 2,600 bytes (import); an HTML entity can need ten characters for one byte.
const maxChars = 32_768
const quote = String.raw`\\?["'\`]|&(?:quot|apos|#0*3[49]|#x0*2[27]);`
const afterQuote = new RegExp(`(?:([^\\s"'<>/=]+)\\s*=\\s*)?(${quote})([ \\t\\n\\f\\r]*)$`, 'i')
const afterUrl = /(?:^|[^\w-])url\(\s*$/i
const afterUrlQuote = new RegExp(`(?:^|[^\\w-])url\\(\\s*(?:${quote})$`, 'i')
const afterLink = /\]\(\s*<?$/
const afterAttribute = /[\s"'](?:src|href|poster|data|background|action|cite)\s*=\s*$/i
/** What follows an attribute without quotes: the end of its tag, or another attribute. */
const afterBare = /^(?:$|\s*\/?>|\s+[\w:@.-]+(?:\s*=|\s*\/?>|\s|$))/
/** Attributes that list several URLs (HTML, "srcset attributes", "ping"). */
const listAttributes = new Set(['srcset', 'imagesrcset', 'ping'])
const beforeChars = 64

/**
 * Finds where the URIs of a text end, from the text around each start: in an HTML attribute, a quotation, a Markdown link or CSS's `url()`
 * a URI is everything up to the matching end, and may contain spaces and the other kind of quote. Character references are
 * decoded once where HTML, Markdown or CSS has them. Elsewhere white space ends a URI, and punctuation after it is not part
 * of it. Where the end is unclear there is no span: half a URI would be a broken link. Time is linear in the text.
 */
export function createSpanFinder(
  value: string,
  /** Whether a word begins as a URL that counts as a URI, although it has no scheme. */
  isUrl: (word: string) => boolean = () => false,
): (start: number) => Found {
  const partnerOf = createPartners(value)
  const lastOf = new Map<string, number>()

  /** The next `token` at or after `from`, or -1. A missing token is searched for once. */
  const find = (token: string, from: number) => {
    const last = lastOf.get(token) ?? value.lastIndexOf(token)
    lastOf.set(token, last)
    return last < from ? -1 : value.indexOf(token, from)
  }
  const nothing = (next: number): Found => ({ spans: [], next })
  /** Whether another URI follows. */
  const hasMore = (text: string) => /\s\S*:\/\//.test(text) || text.split(/\s+/).slice(1).some(isUrl)
  const runEnd = (start: number) => start + /^\S*/.exec(value.slice(start, start + maxChars))![0].length
  const one = (start: number, end: number, uri: string, next = end): Found => ({ spans: [{ start, end, uri }], next })

  function quoted(start: number, before: string, [, name, token, space]: RegExpExecArray): Found | undefined {
    // Only the value of an attribute can begin with white space.
    if (space !== '' && name === undefined) return undefined
    const end = find(token!, start)
    if (end < 0) return nothing(runEnd(start))
    const content = value.slice(start, end)
    const isCss = afterUrlQuote.test(before)
    if (name === undefined && !isCss && content.includes('\n')) return nothing(runEnd(start))
    if (content.length > maxChars) return nothing(end)
    // In JSON, scripts and CSS a backslash escapes the next character, for example a quote.
    if (name === undefined ? content.includes('\\') : token!.startsWith('\\') && content.includes('\\'))
      return nothing(end)
    const text = content.trimEnd()
    const isList = /\s/.test(text) && (listAttributes.has(name?.toLowerCase() ?? '') || hasMore(text))
    const isHtml = name !== undefined || isCss || token!.startsWith('&')
    const decode = isHtml ? decodeHTMLAttribute : String
    if (isList)
      return { spans: uriList(text, start, isUrl).map((span) => ({ ...span, uri: decode(span.uri) })), next: end }
    return one(start, start + text.length, decode(text), end)
  }

  function inParentheses(start: number, isMarkdown: boolean): Found {
    const end = partnerOf(value.lastIndexOf('(', start))
    if (end < 0 || end - start > maxChars) return nothing(runEnd(start))
    const content = value.slice(start, end)
    const text = isMarkdown ? markdownDestination(content) : content.trimEnd()
    if (text === undefined || hasMore(text) || (!isMarkdown && text.includes('\\'))) return nothing(end)
    return one(start, start + text.length, isMarkdown ? unescaped(text) : decodeHTMLAttribute(text), end)
  }

  function inAngles(start: number, isMarkdown: boolean): Found | undefined {
    const content = /^[^<>\n]*/.exec(value.slice(start, start + maxChars))![0]
    const end = start + content.length
    if (value[end] !== '>') return undefined
    return one(start, end, isMarkdown ? unescaped(content) : content)
  }

  function unquotedAttribute(start: number): Found {
    const raw = /^[^\s>]*/.exec(value.slice(start, start + maxChars))![0]
    const end = start + raw.length
    const isClear = !/["'`<]/.test(raw) && afterBare.test(value.slice(end, end + beforeChars))
    return isClear ? one(start, end, decodeHTMLAttribute(raw)) : nothing(end)
  }

  /** The spans by the mark before the URI; undefined if the mark has no meaning. */
  function delimited(start: number): Found | undefined {
    const before = value.slice(Math.max(0, start - beforeChars), start)
    switch (before.trimEnd().at(-1)) {
      case '"':
      case "'":
      case '`':
      case ';': {
        const opening = afterQuote.exec(before)
        return opening ? quoted(start, before, opening) : undefined
      }
      case '(':
        if (afterUrl.test(before)) return inParentheses(start, false)
        return afterLink.test(before) ? inParentheses(start, true) : undefined
      case '<':
        return before.endsWith('<') ? inAngles(start, afterLink.test(before)) : undefined
      case '=':
        return afterAttribute.test(before) ? unquotedAttribute(start) : undefined
      default:
        return undefined
    }
  }

  return (start) => {
    const found = delimited(start)
    if (found) return found
    const { length, isClear } = bareUri(value, start)
    return isClear ? one(start, start + length, value.slice(start, start + length)) : nothing(start + length)
  }
}

/** A Markdown destination (CommonMark, "Backslash escapes", "Entity and numeric character references"). */
const unescaped = (text: string) =>
  text
    .split(/(\\[!-/:-@[-`{-~])/)
    .map((part, n) => (n % 2 === 1 ? part.slice(1) : decodeHTML(part)))
    .join('')

/** Whether an attribute without quotes begins at `start`. */
export const isAttributeStart = (value: string, start: number) =>
  afterAttribute.test(value.slice(Math.max(0, start - beforeChars), start))
