import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { rowsBelow } from '../../supply-chain/policy.ts'

const file = (name: string) => new URL(`../../${name}`, import.meta.url)
const markdown = readFileSync(file('docs/security.md'), 'utf8')

/** Whether a test file has a test or a group with this very title: a text that begins an argument list. */
function hasTitle(source: string, title: string): boolean {
  const text = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll("'", "\\\\?'")
  return new RegExp(`\\(\\s*(['"\`])${text}\\1`).test(source)
}

describe('the threat tables of docs/security.md', () => {
  const [, threats = ''] = markdown.split('## Threats and tests')
  const headings = [...threats.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading!)
  const rows = headings.flatMap((heading) => rowsBelow(threats, heading))

  it('list threats, each with the defense and a test', () => {
    expect(rows.length).toBeGreaterThan(15)
    for (const row of rows) {
      expect(row).toHaveLength(3)
      for (const cell of row) expect(cell).not.toBe('')
    }
  })

  it.each(rows)('%s', (_threat, _answer, tests) => {
    for (const one of tests!.split('<br>')) {
      const [path, title] = one.split(' › ')
      expect(path).toMatch(/^test\/.+\.test\.ts$/)
      expect(existsSync(file(path!)), path).toBe(true)
      expect(title).toBeTruthy()
      expect(hasTitle(readFileSync(file(path!), 'utf8'), title!), one).toBe(true)
    }
  })

  it('are checked against titles of tests, not against any text', () => {
    const source = "it('does this', () => {})\nit.each([1])('does %s', () => {})\n// does that\nconst it2 = 'does more'"
    const titles = ['does this', 'does %s', 'does that', 'does more', 'does']
    expect(titles.filter((title) => hasTitle(source, title))).toEqual(['does this', 'does %s'])
  })
})

it('docs/security.md says how to report a vulnerability', () => {
  expect(markdown).toMatch(/^## Report a vulnerability$/m)
  expect(readFileSync(file('SECURITY.md'), 'utf8')).toContain('docs/security.md')
})
