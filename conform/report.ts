import type { Verdict } from './grade.ts'

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

/** Replaces every secret in a text, as it is and as URLs have it. */
export function redactor(secrets: Record<string, unknown>): (text: string) => string {
  const hidden = Object.values(secrets)
    .map(String)
    .filter(Boolean)
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    .sort((a, b) => b.length - a.length)
  return (text) => hidden.reduce((rest, secret) => rest.replaceAll(secret, '•••'), text)
}
