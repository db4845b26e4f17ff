import {
  type Char,
  classEnds,
  classStart,
  expandDependent,
  type GlobNode,
  is,
  isSlash,
  namedEnd,
  parseGlob,
  type Range,
  valuesOf,
} from './glob-braces.ts'

/** A glob as a regular expression. */
export interface TranslatedGlob {
  /** RE2 syntax, for the whole key. */
  regex: string
  /** Syntax of other tools that the glob contains, and what to write instead. Its characters stand for themselves. */
  unsupported: string | undefined
}

/** Maximum characters of one regular expression. */
const maxRegexLength = 12_000

/**
 * Translates a glob to a regular expression. `*`, `**`, `?`, `[…]`, `[!…]`, `{a,b}` and `{1..3}` mean what they mean in bash with
 * globstar and dotglob, and without extglob. @throws Error with the reason
 */
export function translateGlob(text: string): TranslatedGlob {
  const patterns = expandDependent(parseGlob(text))
  let unsupported: string | undefined
  const report = (fault: string) => {
    unsupported ??= fault
  }
  for (const nodes of patterns) reportNegation(nodes, report)
  const regexes = patterns.map((nodes) => sequence(nodes, report))
  const regex = `(?s:${regexes.join('|')})`
  if (regex.length > maxRegexLength) {
    throw new Error(`is too large: it becomes ${regex.length} characters; the limit is ${maxRegexLength}`)
  }
  return { regex, unsupported }
}

type Report = (fault: string) => void

function reportNegation([first, second]: GlobNode[], report: Report): void {
  if (!first) return
  if ('alternatives' in first) for (const inner of first.alternatives) reportNegation(inner, report)
  if (is(first, '!') && !(second && is(second, '('))) {
    report(
      'begins with "!", which negates a pattern in other tools. Write the pattern without "!" into the other list (exclude instead of include, or the reverse); write "\\!" for the character',
    )
  }
}

function sequence(nodes: GlobNode[], report: Report): string {
  let regex = ''
  const ends = classEnds(nodes)
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at]!
    if (!('char' in node)) {
      regex += 'range' in node ? rangeRegex(node.range) : anyOf(node.alternatives.map((part) => sequence(part, report)))
      continue
    }
    if (!node.isEscaped) reportSyntax(nodes, at, report)
    const end = is(node, '[') ? ends(at) : undefined
    if (end !== undefined) {
      regex += classRegex(nodes as Char[], at, end)
      at = end
    } else if (is(node, '*')) {
      const stars = starsFrom(nodes, at)
      at += stars.length - 1
      regex += stars.regex
    } else regex += is(node, '?') ? '[^/]' : literal(node.char)
  }
  return regex
}

/** Stars at a position, and how many characters of the glob they are. */
function starsFrom(nodes: GlobNode[], at: number): { regex: string; length: number } {
  let length = 1
  while (nodes[at + length] && is(nodes[at + length]!, '*')) length++
  const startsFolder = at === 0 || isSlash(nodes[at - 1]!)
  const after = nodes[at + length]
  if (length !== 2 || !startsFolder || (after && !isSlash(after))) return { regex: '[^/]*', length }
  return after ? { regex: '(?:[^/]*/)*', length: length + 1 } : { regex: '.*', length }
}

const extendedNames: Record<string, string> = {
  '?': 'no or one of',
  '*': 'any number of',
  '+': 'one or more of',
  '@': 'one of',
  '!': 'anything except',
}

/** Reports syntax of other tools at a position. */
function reportSyntax(nodes: GlobNode[], at: number, report: Report): void {
  const { char } = nodes[at] as Char
  const next = nodes[at + 1]
  if (char in extendedNames && next && is(next, '(')) {
    report(
      `contains the extended glob "${char}(…)" (${extendedNames[char]}), which is off. Write {a,b} for alternatives; write "\\(" for the character`,
    )
  }
  if (char === ',') {
    report(
      'contains a comma list: a comma outside braces. Write each pattern as an entry of its own, or {a,b} for alternatives; write "\\," for the character',
    )
  }
  if (['|', ';', '\n', '\r'].includes(char)) {
    report(
      `contains a list of alternatives separated by ${JSON.stringify(char)}. Write each pattern as an entry of its own, or {a,b} for alternatives; write "\\" before the character if it is part of keys`,
    )
  }
}

const anyOf = (parts: string[]): string => `(?:${parts.join('|')})`

const literal = (char: string): string => (/[\w/]/.test(char) ? char : `\\x{${char.codePointAt(0)!.toString(16)}}`)

/** Members of the POSIX classes, as Unicode defines them. */
const posixClasses: Record<string, string> = {
  alnum: '\\p{L}\\p{Nd}',
  alpha: '\\p{L}',
  ascii: '\\x00-.0-\\x7f',
  blank: '\\t\\p{Zs}',
  cntrl: '\\p{Cc}',
  digit: '0-9',
  graph: '\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}',
  lower: '\\p{Ll}',
  print: '\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Zs}',
  punct: '\\p{P}\\p{S}',
  space: '\\t-\\r\\p{Z}',
  upper: '\\p{Lu}',
  word: '\\p{L}\\p{Nd}_',
  xdigit: '0-9A-Fa-f',
}

/** A class, which never matches a slash. @throws Error if a member is not valid */
function classRegex(nodes: Char[], at: number, end: number): string {
  const first = classStart(nodes, at)
  const members: string[] = []
  for (let next = first; next < end; next++) {
    const close = namedEnd(nodes, next)
    if (close !== undefined) {
      members.push(
        namedMember(
          nodes
            .slice(next, close + 1)
            .map(({ char }) => char)
            .join(''),
        ),
      )
      next = close
      continue
    }
    const from = nodes[next]!.char
    const isRange = next + 2 < end && is(nodes[next + 1]!, '-')
    members.push(isRange ? spanOf(from, nodes[next + 2]!.char) : literal(from))
    if (isRange) next += 2
  }
  const all = members.join('')
  if (first === at + 2) return `[^/${all}]`
  // RE2 has no intersection of classes. \p{P} is the only member that contains the slash.
  const withoutSlash = all.replaceAll('\\p{P}', '')
  const parts = [...(withoutSlash ? [`[${withoutSlash}]`] : []), ...(all === withoutSlash ? [] : ['[^\\P{P}/]'])]
  return parts.length === 1 ? parts[0]! : anyOf(parts)
}

function namedMember(text: string): string {
  const [, name = ''] = /^\[:(.*):\]$/.exec(text) ?? []
  const members = posixClasses[name]
  if (members) return members
  const names = Object.keys(posixClasses).join(', ')
  throw new Error(`contains ${text}, which is not supported. Named classes are [:name:] with one of: ${names}`)
}

/** The characters from one to another, without the slash. */
function spanOf(from: string, to: string): string {
  const [low, high] = [from.codePointAt(0)!, to.codePointAt(0)!]
  if (low > high) throw new Error(`contains the range ${from}-${to}, whose ends are in the wrong order`)
  const slash = 0x2f
  if (low > slash || high < slash) return `${literal(from)}-${literal(to)}`
  const below = low < slash ? `${literal(from)}-.` : ''
  return below + (high > slash ? `0-${literal(to)}` : '')
}

function rangeRegex(range: Range): string {
  const { kind, step, width } = range
  const [low, high] = [Math.min(range.from, range.to), Math.max(range.from, range.to)]
  if (kind === 'LETTERS' || step > 1) return anyOf(valuesOf(range).map((value) => [...value].map(literal).join('')))
  const parts: string[] = []
  if (low < 0) parts.push(`-${digitsRegex(Math.max(1, -high), -low, Math.max(0, width - 1))}`)
  if (high >= 0) parts.push(digitsRegex(Math.max(0, low), high, width))
  return anyOf(parts)
}

/** Numbers from `low` to `high`, of at least `width` digits. */
function digitsRegex(low: number, high: number, width: number): string {
  const parts: string[] = []
  for (let digits = Math.max(1, width, String(low).length); ; digits++) {
    const isFirst = parts.length === 0
    const end = Math.min(high, 10 ** digits - 1)
    const start = isFirst ? low : 10 ** (digits - 1)
    parts.push(sameLength(String(start).padStart(digits, '0'), String(end).padStart(digits, '0')))
    if (end === high) return anyOf(parts)
  }
}

/** Numbers of the same number of digits. */
function sameLength(low: string, high: string): string {
  if (low === high) return low
  const [a, b] = [Number(low[0]), Number(high[0])]
  const rest = low.length - 1
  if (rest === 0) return `[${a}-${b}]`
  if (a === b) return a + sameLength(low.slice(1), high.slice(1))
  const [zeros, nines] = ['0'.repeat(rest), '9'.repeat(rest)]
  const cutsLow = low.slice(1) !== zeros
  const cutsHigh = high.slice(1) !== nines
  const [first, last] = [cutsLow ? a + 1 : a, cutsHigh ? b - 1 : b]
  return anyOf([
    ...(cutsLow ? [a + sameLength(low.slice(1), nines)] : []),
    ...(first <= last ? [`[${first}-${last}]${'[0-9]'.repeat(rest)}`] : []),
    ...(cutsHigh ? [b + sameLength(zeros, high.slice(1))] : []),
  ])
}
