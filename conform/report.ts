import type { Verdict } from './grade.ts'
import type { Difference } from './real-servers/differences.ts'

const maxReason = 160

/** One line of the table. */
export function lineOf({ subject, check, works, milliseconds, reason = '' }: Verdict): string {
  const short = reason.length > maxReason ? `${reason.slice(0, maxReason)}…` : reason
  const line = `${works ? 'works' : 'FAILS'}  ${subject.padEnd(22)}  ${check.padEnd(78)} ${String(milliseconds).padStart(6)} ms`
  return short ? `${line}  ${short}` : line
}

const grades = [
  ['A', 100],
  ['B', 90],
  ['C', 75],
  ['D', 50],
  ['F', 0],
] as const

/** How much of each subject works, and the grade: A for all, B from 90 %, C from 75 %, D from 50 %. */
export function summaryOf(verdicts: Verdict[]): { grade: string; lines: string[] } {
  const works = (of: Verdict[]) => of.filter((verdict) => verdict.works).length
  const percent = verdicts.length === 0 ? 0 : (100 * works(verdicts)) / verdicts.length
  const [grade] = grades.find(([, from]) => percent >= from)!
  const subjects = Object.entries(Object.groupBy(verdicts, ({ subject }) => subject))
  return {
    grade,
    lines: [
      ...subjects.map(([subject, of = []]) => `${subject.padEnd(22)}  ${works(of)} of ${of.length}`),
      `Grade ${grade}: ${works(verdicts)} of ${verdicts.length} checks work (${Math.floor(percent)} %).`,
    ],
  }
}

/** What the failing checks mean for a sync: each meaning once, under the checks that have it. Empty if all works. */
export function meaningsOf(verdicts: Verdict[]): string[] {
  const failing = verdicts.filter((verdict) => verdict.meaning !== undefined)
  const lines = [...Map.groupBy(failing, ({ meaning }) => meaning!)].flatMap(([meaning, of]) => [
    ...of.map(({ subject, check }) => `  ${subject}: ${check}`),
    `    ${meaning}`,
  ])
  return lines.length === 0 ? [] : ['What that means for a sync:', ...lines]
}

/** A shorter secret, such as "any" for an emulator, is a part of ordinary words. */
const shortestInWords = 8

/**
 * Replaces every secret in a text that a server may have had a part in, as it is and as URLs have it; a short one only where it is a
 * word of its own. Our own words hold no secret and need no redaction.
 */
export function redactor(secrets: Record<string, unknown>): (text: string) => string {
  const hidden = Object.values(secrets)
    .map(String)
    .filter(Boolean)
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    .sort((a, b) => b.length - a.length)
    .map((secret) => {
      const text = secret.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
      return new RegExp(secret.length < shortestInWords ? `(?<![\\p{L}\\p{N}])${text}(?![\\p{L}\\p{N}])` : text, 'gu')
    })
  return (text) => hidden.reduce((rest, secret) => rest.replace(secret, '•••'), text)
}

/**
 * Whose the failures are: which of them servers that were tried are known for, and what the documentation says instead. Every check
 * works with a server that keeps to the documentation of its kind, so what fails here is the server's.
 */
export function whoseAreThey(verdicts: Verdict[], known: Difference[]): string[] {
  const failing = verdicts.filter(({ works }) => !works).map(({ subject, check }) => `${subject}: ${check}`)
  if (failing.length === 0) return []
  const coverage = Object.entries(Object.groupBy(known, ({ server }) => server)).map(([server, list = []]) => {
    const checks = new Set(list.flatMap((difference) => difference.checks))
    return { server, list, count: failing.filter((check) => checks.has(check)).length }
  })
  const [likely] = coverage.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count)
  const explained = new Set(likely?.list.flatMap(({ checks }) => checks))
  const unknown = failing.filter((check) => !explained.has(check))
  const lines = [
    "What fails is the server's: Sluice passes these checks with servers that do what the cloud's documentation says.",
  ]
  if (likely) {
    lines.push(`${likely.count} of ${failing.length} failures are known of ${likely.server} (docs/servers.md):`)
    for (const { does, documented, checks } of likely.list) {
      if (!checks.some((check) => failing.includes(check))) continue
      lines.push(`  - ${does} The documentation: ${documented}`)
    }
  }
  if (unknown.length > 0) {
    lines.push(`Not known of ${likely ? 'it' : 'a server that was tried'}:`, ...unknown.map((check) => `  - ${check}`))
  }
  return lines
}
