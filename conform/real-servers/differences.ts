import { readFile, writeFile } from 'node:fs/promises'
import type { ProviderName } from '../../src/providers/registry.ts'

/** Something that a server is known to do otherwise than the cloud it stands for. */
export interface Difference {
  server: string
  /** The kind of storage that it stands for, such as `S3`. */
  kind: ProviderName
  does: string
  /** What the cloud's own documentation says. */
  documented: string
  /** The checks that fail for it, as `subject: check`. */
  checks: string[]
}

const list = new URL('../../.ci/known-differences.json', import.meta.url)
const page = new URL('../../docs/servers.md', import.meta.url)

export const readDifferences = async (): Promise<Difference[]> => JSON.parse(await readFile(list, 'utf8'))

/** What is not as known: checks that fail and should not, and known ones that do not fail (any more). */
export function compare(known: Difference[], failing: string[]): { unknown: string[]; vanished: string[] } {
  const expected = known.flatMap(({ checks }) => checks)
  return {
    unknown: failing.filter((check) => !expected.includes(check)),
    vanished: expected.filter((check) => !failing.includes(check)),
  }
}

/** Whether the table in docs/servers.md is that of the list; with `write` it is made so. */
export async function isOnPage(differences: Difference[], { write = false } = {}): Promise<boolean> {
  const text = await readFile(page, 'utf8')
  const between = /(?<=<!-- differences -->\n)[\s\S]*(?=<!-- \/differences -->)/
  const should = text.replace(between, () => tableOf(differences))
  if (write) await writeFile(page, should)
  return write || should === text
}

function tableOf(differences: Difference[]): string {
  const cell = (words: string) => words.replaceAll('|', '\\|')
  const rows = differences.map(({ server, does, documented, checks }) => [
    server,
    does,
    documented,
    checks.join('<br>'),
  ])
  const lines = [
    ['Server', 'What it does', 'What the cloud says', 'Checks that fail'],
    ['---', '---', '---', '---'],
    ...rows,
  ]
  return lines.map((cells) => `| ${cells.map(cell).join(' | ')} |\n`).join('')
}
