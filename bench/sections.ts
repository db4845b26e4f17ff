import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const results = new URL('./RESULTS.md', import.meta.url)

/** Writes bench/RESULTS.md anew, except for the parts between marks, which other benchmarks have written. */
export function writeMain(text: string): void {
  const old = existsSync(results) ? readFileSync(results, 'utf8') : ''
  const kept = old.match(/<!-- ([\w-]+) -->\n[\s\S]*?<!-- \/\1 -->\n/g) ?? []
  writeFileSync(results, [text, ...kept].join('\n'))
}

/** Replaces the part of bench/RESULTS.md between the marks of `name`, or adds it at the end; without the file does nothing. */
export function writeSection(name: string, text: string): void {
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
