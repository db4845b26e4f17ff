import { decodeHTML, decodeHTMLAttribute } from 'entities'
import { createSearch, type Grammar, quoteReference } from './grammar.ts'
import { createPartners } from './partners.ts'
import {
  bareUri,
  isLineEscape,
  isUriWithSpaces,
  leadingUri,
  markdownDestination,
  type UriSpan,
  uriList,
} from './uri-text.ts'

/** The spans at one position; empty if the end is unclear. The search continues at `next`. */
interface Found {
  spans: UriSpan[]
  next: number
  /** Whether no quote, bracket or tag delimits the URI. */
  isBare?: boolean
}

// A key has at most 2,600 bytes (import); an HTML entity can need ten characters for one byte.
const maxChars = 32_768
const maxBareChars = 1_100
const quote = String.raw`\\*["'\x60]|${quoteReference}`
const afterQuote = new RegExp(`(?:([^\\s"'<>/=]+)\\s*=\\s*)?(${quote})([ \\t\\n\\f\\r]*)$`, 'i')
const quoteReferences = {
  '"': /&(?:quot|#0*34|#x0*22);/gi,
  "'": /&(?:apos|#0*39|#x0*27);/gi,
}
const afterUrl = /(?:^|[^\w-])url\(\s*$/i
const afterUrlQuote = new RegExp(`(?:^|[^\\w-])url\\(\\s*(?:${quote})$`, 'i')
const afterLink = /\]\(\s*<?$/
const afterAttribute = /[\s"'](?:src|href|poster|data|background|action|cite)\s*=\s*$/i
/** What follows an attribute without quotes: the end of its tag, or another attribute. */
const afterBare = /^(?:$|\s*\/?>|\s+[\w:@.-]+(?:\s*=|\s*\/?>|\s|$))/
/** Attributes that list several URLs (HTML, "srcset attributes", "ping"). */
const listAttributes = new Set(['srcset', 'imagesrcset', 'ping'])
const beforeChars = 64
/** The start of a line, with the mark of a list or the name of a value (`image:`). */
const afterLineStart = /(?:^|[\r\n])\s*(?:(?:[-*+•]|\d{1,3}[.)]|[\w.-]{1,40}:)[ \t]+)?$/

/**
 * Finds where the URIs of a text end, from the text around each start: in an HTML attribute, a quotation, a Markdown link or CSS's
 * `url()` a URI is everything up to the matching end, and may contain spaces and the other kind of quote. Character references are
 * decoded once where HTML, Markdown or CSS has them. Elsewhere white space ends a URI, and punctuation after it is not part of it.
 * Everywhere a separator before another URI ends the one before. Where the end is unclear there is no span: half a URI would be a
 * broken link. Time is linear in the text.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the rules for one text share the text and its grammar, and each is short
export function createSpanFinder(value: string, grammar: Grammar): (start: number) => Found {
  const partnerOf = createPartners(value)
  const lastOf = new Map<string, number>()
  const nextStop = createSearch(value, grammar.stop)
  /** The end of the last URI without a mark before it. */
  let lastEnd = 0
  const nextReference = new Map<string, (from: number) => number>()

  /** The next `token` at or after `from`, or -1. A missing token is searched for once. */
  const find = (token: string, from: number) => {
    if (token.startsWith('&')) {
      const mark = decodeHTML(token)
      const search = nextReference.get(mark) ?? createSearch(value, quoteReferences[mark === '"' ? mark : "'"])
      nextReference.set(mark, search)
      return search(from)
    }
    const last = lastOf.get(token) ?? value.lastIndexOf(token)
    lastOf.set(token, last)
    return last < from ? -1 : value.indexOf(token, from)
  }
  const nothing = (next: number): Found => ({ spans: [], next })
  const runEnd = (start: number) => start + /^\S*/.exec(value.slice(start, start + maxChars))![0].length
  const one = (start: number, end: number, uri: string, next = end): Found => ({ spans: [{ start, end, uri }], next })
  const decoded = (spans: UriSpan[], decode: (text: string) => string) =>
    spans.map((span) => ({ ...span, uri: decode(span.uri) }))

  function quoted(start: number, before: string, [, name, token, space]: RegExpExecArray): Found | undefined {
    // Only the value of an attribute can begin with white space.
    if (space !== '' && name === undefined) return undefined
    const end = find(token!, start)
    if (end < 0) return nothing(runEnd(start))
    const content = value.slice(start, end)
    const isCss = afterUrlQuote.test(before)
    if (name === undefined && !isCss) {
      const cut = textEnd(content)
      if (cut >= 0) return upTo(start, start + cut)
    }
    if (content.length > maxChars) return nothing(end)
    const at = name === undefined && !isCss ? content.indexOf('\\') : -1
    if (at >= 0 && isLineEscape(grammar, content, { start: 0, at })) return upTo(start, start + at)
    // In JSON, scripts and CSS a backslash escapes the next character, for example a quote.
    if (name === undefined ? content.includes('\\') : token!.startsWith('\\') && content.includes('\\'))
      return nothing(end)
    const text = content.trimEnd()
    const isHtml = name !== undefined || isCss || token!.startsWith('&')
    const decode = isHtml ? decodeHTMLAttribute : String
    const list = uriList(grammar, { text, start, isSrcset: listAttributes.has(name?.toLowerCase() ?? '') })
    if (list) return { spans: decoded(list, decode), next: end }
    return one(start, start + text.length, decode(text), end)
  }

  /** The position of a line break or tag in a quoted text, or -1: no key contains either. */
  function textEnd(content: string): number {
    const newline = content.search(/[\r\n]/)
    grammar.tag.lastIndex = 0
    const tag = content.includes('<') ? grammar.tag.exec(content) : null
    return tag && (newline < 0 || tag.index < newline) ? tag.index : newline
  }

  /** The URIs of a text that ends before a line break or tag. */
  function upTo(start: number, end: number): Found {
    const text = value.slice(start, end).trimEnd()
    if (text.length > maxChars || text.includes('\\')) return nothing(end)
    const list = uriList(grammar, { text, start })
    if (list) return { spans: list, next: end }
    const uri = leadingUri(text)
    return uri === undefined ? nothing(end) : one(start, start + uri.length, uri, end)
  }

  function inParentheses(start: number, isMarkdown: boolean): Found {
    const end = partnerOf(value.lastIndexOf('(', start))
    if (end < 0 || end - start > maxChars) return nothing(runEnd(start))
    const content = value.slice(start, end)
    const text = isMarkdown ? markdownDestination(content) : content.trimEnd()
    if (text === undefined || (!isMarkdown && text.includes('\\'))) return nothing(end)
    const decode = isMarkdown ? unescaped : decodeHTMLAttribute
    const list = uriList(grammar, { text, start })
    if (list) return { spans: decoded(list, decode), next: end }
    return one(start, start + text.length, decode(text), end)
  }

  function inAngles(start: number, isMarkdown: boolean): Found | undefined {
    const content = /^[^<>\n]*/.exec(value.slice(start, start + maxChars))![0]
    const end = start + content.length
    if (value[end] !== '>') return undefined
    const decode = isMarkdown ? unescaped : String
    const list = uriList(grammar, { text: content, start })
    if (list) return { spans: decoded(list, decode), next: end }
    return one(start, end, decode(content))
  }

  function unquotedAttribute(start: number): Found {
    const raw = /^[^\s>]*/.exec(value.slice(start, start + maxChars))![0]
    const end = start + raw.length
    const isClear = !/["'`<]/.test(raw) && afterBare.test(value.slice(end, end + beforeChars))
    if (!isClear) return nothing(end)
    const list = uriList(grammar, { text: raw, start })
    return list ? { spans: decoded(list, decodeHTMLAttribute), next: end } : one(start, end, decodeHTMLAttribute(raw))
  }

  /** The spans by the mark before the URI; undefined if the mark has no meaning. */
  function delimited(start: number, before: string, mark: string | undefined): Found | undefined {
    switch (mark) {
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

  /** A URI with spaces that is an item of a list, a line, a value in YAML, or the text between two tags. */
  function spaced(start: number, before: string, mark: string | undefined): Found | undefined {
    const isFirst = mark === undefined || ',;|>'.includes(mark) || afterLineStart.test(before)
    if (!isFirst && value.slice(lastEnd, start).trim() !== '') return undefined
    const stop = nextStop(start)
    const end = stop < 0 ? value.length : stop
    if (end - start > maxBareChars) return undefined
    const item = value.slice(start, end)
    const next = item.search(grammar.nextWord)
    const text = (next < 0 ? item : item.slice(0, next)).trimEnd()
    if (!isUriWithSpaces(text)) return undefined
    lastEnd = start + text.length
    return one(start, lastEnd, text)
  }

  return (start) => {
    const before = value.slice(Math.max(0, start - beforeChars), start)
    const mark = before.trimEnd().at(-1)
    const found = delimited(start, before, mark)
    if (found) return found
    const withSpaces = spaced(start, before, mark)
    if (withSpaces) return { ...withSpaces, isBare: true }
    const { length, isClear } = bareUri(grammar, value, start)
    lastEnd = start + length
    const bare = isClear ? one(start, lastEnd, value.slice(start, lastEnd)) : nothing(lastEnd)
    return { ...bare, isBare: true }
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
