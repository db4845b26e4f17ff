import { acts } from './acts.ts'
import { momentKinds } from './moments.ts'
import type { Fault } from './plan.ts'
import type { Verdict } from './round.ts'

/** What a round was and what came of it. */
export function sentence(verdict: Verdict): string {
  const { plan, injected, takeovers, restarts, differences, listedAgain, readAgain, seconds } = verdict
  const { contents, workers, known } = plan
  const head =
    `seed ${plan.seed}: ${contents.objects.length} ${contents.importMethod}, ${known} known, pages of ${contents.maxKeys}, ` +
    `${workers} ${workers === 1 ? 'worker' : 'workers'}; ${injected.map(nameOf).join(', then ') || 'no fault before the end'}; ` +
    `${takeovers} takeovers, ${restarts} extra syncs (${seconds.toFixed(1)} s)`
  const faults = [
    ...differences,
    ...(listedAgain.length > 0
      ? [`${listedAgain.length} pages were listed again, first after "${listedAgain[0]}"`]
      : []),
    ...(readAgain.length > 0 ? [`${readAgain.length} objects were read again, first "${readAgain[0]}"`] : []),
  ]
  return [head, ...faults.map((fault) => `  ${fault}`)].join('\n')
}

const nameOf = ({ act, moment, forMs }: Fault) => `${act} at ${moment.kind} ${moment.n} for ${forMs} ms`

/** The table of all rounds. */
export function report(verdicts: Verdict[], seconds: number): string {
  const injected = verdicts.flatMap((verdict) => verdict.injected)
  const moments = Object.keys(momentKinds)
  const heads = ['fault', ...moments, 'all', 'extra syncs']
  const lines = Object.entries(acts).flatMap(([act, { words }]) => {
    const mine = injected.filter((fault) => fault.act === act)
    if (mine.length === 0) return []
    const more = verdicts.filter(
      ({ injected, restarts }) => restarts > 0 && injected.some((fault) => fault.act === act),
    )
    const counts = moments.map((kind) => mine.filter(({ moment }) => moment.kind === kind).length)
    return [[words, ...[...counts, mine.length, more.length].map(String)]]
  })
  const sum = (count: (verdict: Verdict) => number) => verdicts.reduce((all, verdict) => all + count(verdict), 0)
  return [
    '',
    table([heads, ...lines]),
    '',
    ...Object.entries(momentKinds).map(([kind, words]) => `${kind}: ${words}`),
    'extra syncs: rounds with this fault in which a client had to start another sync',
    '',
    `${verdicts.length} rounds in ${seconds.toFixed(0)} s, ${injected.length} faults, ${sum((v) => v.takeovers)} takeovers, ` +
      `${sum((v) => v.restarts)} extra syncs`,
    `${sum((v) => v.differences.length)} differences`,
    `${sum((v) => v.listedAgain.length)} pages before a checkpoint listed again`,
    `${sum((v) => v.readAgain.length)} objects before a checkpoint read again`,
  ].join('\n')
}

function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  return rows
    .map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '))
    .join('\n')
}
