// Above this depth, the parentheses of a line count as unmatched.
const maxDepth = 1_000

/**
 * Returns a function that finds the closing parenthesis of an opening one on the same line; -1 if there is none. Each line is read
 * once if the calls come in ascending order.
 */
export function createPartners(value: string): (open: number) => number {
  let line = { start: 0, end: 0, partners: new Map<number, number>() }
  return (open) => {
    if (open >= line.end || open < line.start) line = readLine(value, open)
    return line.partners.get(open) ?? -1
  }
}

function readLine(value: string, from: number) {
  const newline = value.indexOf('\n', from)
  const end = newline < 0 ? value.length : newline
  const partners = new Map<number, number>()
  const opened: number[] = []
  for (let at = from; at < end; at++) {
    const char = value.charCodeAt(at)
    if (char === 0x28) opened.push(at)
    else if (char === 0x29) {
      const open = opened.pop()
      // Callers ask only for those of links and `url()`.
      if (open !== undefined && /[\]lL]/.test(value[open - 1] ?? '')) partners.set(open, at)
    }
    if (opened.length > maxDepth) opened.splice(0)
  }
  return { start: from, end, partners }
}
