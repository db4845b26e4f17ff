import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Replaces the part of bench/RESULTS.md between the marks of `name`, or adds it at the end; without the file does nothing. */
export function writeSection(name: string, text: string): void {
  const results = new URL('./RESULTS.md', import.meta.url)
  if (!existsSync(results)) return
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const section = `${begin}\n${text.trim()}\n${end}\n`
  const old = readFileSync(results, 'utf8')
  const [from, to] = [old.indexOf(begin), old.indexOf(end)]
  if (from > to) throw new Error(`${results.pathname} has ${begin} but no ${end} behind it.`)
  const before = to < 0 ? `${old.trimEnd()}\n\n` : old.slice(0, from)
  const after = to < 0 ? '' : old.slice(to + end.length).replace(/^\n/, '')
  writeFileSync(results, before + section + after)
}
