/** A character of a glob. An escaped one has no special meaning. */
export interface Char {
  char: string
  isEscaped: boolean
}

/** Braces that stand for one of several texts: `{a,b}`, or for a number of a range: `{1..3}`. */
export type Braces = { alternatives: GlobNode[][] } | { range: Range }

/** A part of a glob. */
export type GlobNode = Char | Braces

/** The numbers from `from` to `to` in steps, or the letters between. Numbers have at least `width` characters, with their sign. */
export interface Range {
  kind: 'NUMBERS' | 'LETTERS'
  from: number
  to: number
  step: number
  width: number
}

/** Maximum patterns that the braces of one glob expand to, as far as they must be expanded. */
const maxExpansions = 256
/** Maximum characters of these patterns together. */
const maxExpanded = 20_000
/** Maximum values of a range that must be listed one by one. */
const maxListed = 1_000
/** More characters than any `[:name:]` has. */
const maxNameLength = 20

/** The parts of a glob. Braces without a comma or range stand for themselves, as in bash. */
export function parseGlob(text: string): GlobNode[] {
  const chars: Char[] = []
  const points = [...text]
  for (let at = 0; at < points.length; at++) {
    const isEscaped = points[at] === '\\' && at + 1 < points.length
    chars.push({ char: points[isEscaped ? ++at : at]!, isEscaped })
  }
  return parseBraces(chars)
}

function parseBraces(chars: Char[]): GlobNode[] {
  const nodes: GlobNode[] = []
  const ends = bracePairs(chars)
  for (let at = 0; at < chars.length; at++) {
    const end = ends.get(at)
    const braces = end === undefined ? undefined : readBraces(chars.slice(at + 1, end))
    nodes.push(braces ?? chars[at]!)
    if (braces) at = end!
  }
  return nodes
}

/** The position of each opening brace with that of its closing brace. */
function bracePairs(chars: Char[]): Map<number, number> {
  const pairs = new Map<number, number>()
  const open: number[] = []
  for (const [at, char] of chars.entries()) {
    if (is(char, '{')) open.push(at)
    else if (is(char, '}') && open.length > 0) pairs.set(open.pop()!, at)
  }
  return pairs
}

function readBraces(inner: Char[]): Braces | undefined {
  const parts: Char[][] = [[]]
  let depth = 0
  for (const char of inner) {
    if (is(char, '{')) depth++
    if (is(char, '}')) depth--
    if (depth === 0 && is(char, ',')) parts.push([])
    else parts.at(-1)!.push(char)
  }
  if (parts.length > 1) return { alternatives: parts.map(parseBraces) }
  const range = inner.every(({ isEscaped }) => !isEscaped) && readRange(inner.map(({ char }) => char).join(''))
  return range ? { range } : undefined
}

function readRange(text: string): Range | undefined {
  const [, first, last, by = '1'] = /^(-?\d+|[a-z])\.\.(-?\d+|[a-z])(?:\.\.(-?\d+))?$/i.exec(text) ?? []
  if (first === undefined || last === undefined) return undefined
  const isNumber = [first, last].map((end) => /\d/.test(end))
  if (isNumber[0] !== isNumber[1]) return undefined
  if ([first, last, by].some((end) => end.length > 15))
    throw new Error(`has a range with more than 15 digits: {${text}}`)
  const step = Math.abs(Number(by)) || 1
  if (!isNumber[0]) return { kind: 'LETTERS', from: first.charCodeAt(0), to: last.charCodeAt(0), step, width: 0 }
  const isPadded = [first, last].some((end) => /^-?0\d/.test(end))
  return {
    kind: 'NUMBERS',
    from: Number(first),
    to: Number(last),
    step,
    width: isPadded ? Math.max(first.length, last.length) : 0,
  }
}

/** The values of a range as text. @throws Error if there are too many */
export function valuesOf({ kind, from, to, step, width }: Range): string[] {
  const count = Math.floor(Math.abs(to - from) / step) + 1
  if (count > maxListed) throw new Error(`has a range of ${count} values; the limit is ${maxListed}`)
  return Array.from({ length: count }, (_, n) => {
    const value = from + Math.sign(to - from) * n * step
    return kind === 'LETTERS' ? String.fromCharCode(value) : padded(value, width)
  })
}

function padded(value: number, width: number): string {
  const sign = value < 0 ? '-' : ''
  return sign + String(Math.abs(value)).padStart(width - sign.length, '0')
}

/**
 * Expands the braces that other parts depend on, such as `**` beside them, or `[` before them. All others remain, since one regular
 * expression can contain all their alternatives; expanding them too could make millions of patterns.
 * @throws Error if there are too many
 */
export function expandDependent(nodes: GlobNode[]): GlobNode[][] {
  const done: GlobNode[][] = []
  const open = [nodes]
  for (let next = open.pop(), length = 0; next; next = open.pop()) {
    const at = dependent(next)
    if (at === -1) {
      done.push(next)
      length += next.length
    } else {
      const before = next.slice(0, at)
      const after = next.slice(at + 1)
      open.push(...alternativesOf(next[at] as Braces).map((alternative) => [...before, ...alternative, ...after]))
    }
    if (open.length + done.length > maxExpansions || length > maxExpanded) {
      throw new Error(
        `expands to more than ${maxExpansions} patterns, or too long ones. Use fewer braces, or several patterns`,
      )
    }
  }
  return done
}

function alternativesOf(braces: Braces): GlobNode[][] {
  if ('alternatives' in braces) return braces.alternatives
  return valuesOf(braces.range).map((value) => [...value].map((char) => ({ char, isEscaped: true })))
}

/** The position of braces that decide what the characters around them mean; -1 if there are none. */
function dependent(nodes: GlobNode[]): number {
  const ends = classEnds(nodes)
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at]!
    const end = is(node, '[') ? ends(at) : undefined
    if (end !== undefined) {
      if (!('char' in nodes[end]!)) return end
      at = end
    } else if (!('char' in node) && (containsAny(node, '*[]') || joinsStars(nodes, at))) return at
  }
  return -1
}

/** True if braces are beside `**`, or can be empty beside `*`. */
function joinsStars(nodes: GlobNode[], at: number): boolean {
  const isStar = (n: number) => nodes[n] !== undefined && is(nodes[n], '*')
  if ((isStar(at - 1) && isStar(at - 2)) || (isStar(at + 1) && isStar(at + 2))) return true
  return canBeEmpty(nodes[at] as Braces) && (isStar(at - 1) || isStar(at + 1))
}

/**
 * Finds the `]` that ends the class whose `[` is at a position, or braces before it that decide whether there is one. Undefined if the
 * bracket stands for itself, as it does before a `/`.
 */
export function classEnds(nodes: GlobNode[]): (at: number) => number | undefined {
  // For each position: whether a `]` follows before the next slash. So brackets without an end take no time.
  const closes: boolean[] = []
  for (let at = nodes.length - 1; at >= 0; at--) {
    const next = nodes[at + 1]
    closes[at] = next !== undefined && !isSlash(next) && (is(next, ']') || closes[at + 1]!)
  }
  return (at) => {
    const first = classStart(nodes, at)
    if (!closes[at]) return undefined
    for (let next = first; next < nodes.length; next++) {
      const node = nodes[next]!
      if (!('char' in node)) return closes[next] ? next : undefined
      if (isSlash(node)) return undefined
      if (next > first && is(node, ']')) return next
      next = namedEnd(nodes, next) ?? next
    }
    return undefined
  }
}

/** The position of the first member of a class. */
export function classStart(nodes: GlobNode[], at: number): number {
  const next = nodes[at + 1]
  return next && (is(next, '!') || is(next, '^')) ? at + 2 : at + 1
}

/** The position of the end of `[:name:]`, `[=x=]` or `[.x.]` in a class. Undefined if no such member is at `at`. */
export function namedEnd(nodes: GlobNode[], at: number): number | undefined {
  const sign = nodes[at + 1]
  if (!is(nodes[at]!, '[') || !sign || ![':', '=', '.'].some((one) => is(sign, one))) return undefined
  const { char } = sign as Char
  for (let next = at + 3; next < Math.min(nodes.length, at + maxNameLength); next++) {
    if (is(nodes[next]!, ']') && is(nodes[next - 1]!, char)) return next
  }
  return undefined
}

function containsAny(braces: Braces, chars: string): boolean {
  if ('range' in braces) return false
  return braces.alternatives.flat().some((node) => {
    if (!('char' in node)) return containsAny(node, chars)
    return !node.isEscaped && chars.includes(node.char)
  })
}

function canBeEmpty(braces: Braces): boolean {
  if ('range' in braces) return false
  return braces.alternatives.some((nodes) => nodes.every((node) => !('char' in node) && canBeEmpty(node)))
}

/** True if the part is this character, not escaped. */
export const is = (node: GlobNode, char: string): boolean => 'char' in node && !node.isEscaped && node.char === char

/** True if the part is a slash. It separates folders also if it is escaped. */
export const isSlash = (node: GlobNode): boolean => 'char' in node && node.char === '/'
