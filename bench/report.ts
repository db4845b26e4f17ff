import { cpus, totalmem } from 'node:os'
import type { Generated } from './generated.ts'
import { type Comparison, ratio } from './imports.ts'
import type { Latencies } from './latency.ts'
import { quantile } from './measure.ts'
import type { RowsFound } from './rows.ts'
import type { Starts } from './startup.ts'

/** What a whole run of the benchmark found. */
interface Findings {
  postgresVersion: string
  /** Load average of the machine over the minute before the start: what others were doing on it. */
  load: number
  rounds: number
  keys: Generated
  files: { first: Comparison; again: Comparison }
  tasks: Comparison
  rows: RowsFound[]
  exports: Comparison
  latencies: Latencies
  ready: Starts
  postgres: Starts
}

/** The report, as Markdown. */
export function report({
  postgresVersion,
  load,
  rounds,
  keys,
  files,
  tasks,
  rows,
  exports,
  latencies,
  ready,
  postgres,
}: Findings): string {
  const { first, again } = files
  return `# Benchmark

Made by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}, Node ${process.versions.node}, PostgreSQL
${postgresVersion} with its default durability. Sluice, PostgreSQL and the S3 emulator share the machine. Rates are medians
of ${rounds} rounds that alternate with the bare operations, with the lowest and highest round in brackets. The
load average before the start was ${load.toFixed(1)}: above 0.5, other work took part of the machine, and the figures are too low.

## Imports

${table(
  ['', 'Objects', 'Sluice, objects/s', 'Bare, objects/s', 'Ratio', 'Target'],
  [
    imported('FILES, all new', first, 0.6),
    imported('FILES, all known', again, 0.9),
    imported('TASKS, all new', tasks, 0.8),
  ],
)}

The ratio is that to the slowest bare operation of the same round, in the middle of the rounds. *list* lists the bucket
with the same client, one page after the other. *insert* adds the same tasks and links in pages of 1,000 to tables with
the same indexes, in another database of the same server. *get* reads the same objects to their ends, as many at a time.

${table(
  ['', 'SQL statements', 'per 1,000 objects', 'List calls', 'Get calls', 'Memory before → peak, MiB'],
  [costs('FILES, all new', first), costs('FILES, all known', again), costs('TASKS, all new', tasks)],
)}

All of it in the first round. Statements are all that the process sent meanwhile, \`begin\`, \`commit\` and the polling of the queue included.
Memory is the resident set of the one process that is server, worker and benchmark, sampled every 20 ms.

${keysTable(keys)}

${rowsReport(rows)}
${exportReport(exports)}
## Beginnings

${table(
  ['Milliseconds', 'median', '95 %', 'most', 'Target'],
  [
    ['`syncStorage` answers', ...spread(latencies.answer), ''],
    ['from being queued to being started', ...spread(latencies.start), '100'],
  ],
)}

${table(
  ['Milliseconds to ready', 'Sluice', 'PostgreSQL alone', 'Difference', 'Target'],
  [begun('first start, empty folder', ready.first, postgres.first), begun('later start', ready.later, postgres.later)],
)}
`
}

/** Rows of one file, as Markdown. */
export function rowsReport(rows: RowsFound[]): string {
  return `## Rows of one file

${table(['', 'Rows', 'Sluice, rows/s', 'Bare, rows/s', 'Ratio', 'Target', 'Memory more than with 10,000 rows, MiB', 'Target'], rows.map(rowsFound))}

The bare loop reads the same object with the SDK, parses it with the same libraries, and inserts the same tasks and links
in pages of 1,000, one thing after the other. Memory is the highest resident set while the file was imported; our imports
come before all bare loops, and the files are made by another process.
`
}

/** The part of the report about exports. */
export function exportReport(exports: Comparison): string {
  return `## Exports

${table(
  ['', 'Annotations', 'Sluice, objects/s', 'Bare, objects/s', 'Ratio', 'Target'],
  [imported('ANNOTATION, all', exports, 0.8)],
)}

*put* writes bodies of the same size under the same keys with the same client, as many at a time, and no database.

${table(
  ['', 'SQL statements', 'per 1,000 objects', 'List calls', 'Get calls', 'Memory before → peak, MiB'],
  [costs('ANNOTATION, all', exports)],
)}
`
}

/** The report of the generated keys alone. */
export function keysReport(keys: Generated, load: number): string {
  return `On ${machine()}, Node ${process.versions.node}, load average before the start ${load.toFixed(1)}.\n\n${keysTable(keys)}`
}

function keysTable({ small, large }: Generated): string {
  const count = (comparison: Comparison) => whole(comparison.count)
  const microseconds = ({ ours }: Comparison) => 1e6 / quantile(ours)
  const growth = microseconds(large.first) / microseconds(small.first)
  return `### Generated listings

So that there need not be a million objects, these listings come from a server that makes each page of keys from their numbers;
both sides ask it. The many keys are imported in one round, and synced again in five, each beside a listing.

${table(
  ['', 'Objects', 'Sluice, objects/s', 'Bare, objects/s', 'Ratio', 'Target'],
  [
    imported('FILES, all new', small.first, 0.6),
    imported('FILES, all known', small.again, 0.9),
    imported('FILES, all new', large.first, 0.6),
    imported('FILES, all known', large.again, 0.9),
  ],
)}

A new object costs ${microseconds(large.first).toFixed(1)} µs among ${count(large.first)} and ${microseconds(small.first).toFixed(1)} µs among ${count(small.first)}, the start of the
sync included: ${growth.toFixed(2)} times as much (target: at most 1.1 times).

${table(
  ['', 'SQL statements', 'per 1,000 objects', 'List calls', 'Get calls', 'Memory before → peak, MiB'],
  [costs(`FILES, ${count(large.first)} new`, large.first), costs(`FILES, ${count(large.again)} known`, large.again)],
)}`
}

/** The machine in words. */
export function machine(): string {
  const [cpu] = cpus()
  return `${cpu?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`
}

function imported(name: string, comparison: Comparison, target: number): string[] {
  const { count, ours, bare } = comparison
  const others = Object.entries(bare).map(([operation, rates]) => `${operation} ${range(rates)}`)
  return [name, whole(count), range(ours), others.join(', '), percent(ratio(comparison)), `≥ ${percent(target)}`]
}

function rowsFound({ format, count, ours, bare, rss }: RowsFound): string[] {
  const growth = mebi(rss.large) - mebi(rss.small)
  return [format, whole(count), whole(ours), whole(bare), percent(ours / bare), '≥ 60 %', String(growth), '< 64']
}

function costs(name: string, { count, cost }: Comparison): string[] {
  const { statements, listCalls, getCalls, rss } = cost
  const perThousand = ((statements / count) * 1_000).toFixed(1)
  return [
    name,
    ...[statements, perThousand, listCalls, getCalls].map(String),
    `${mebi(rss.before)} → ${mebi(rss.peak)}`,
  ]
}

const spread = (values: number[]) =>
  [quantile(values), quantile(values, 0.95), Math.max(...values)].map((ms) => ms.toFixed(1))

function begun(name: string, ours: number[], postgres: number[]): string[] {
  const [mine, alone] = [quantile(ours), quantile(postgres)]
  return [name, whole(mine), whole(alone), whole(mine - alone), '≤ 1,500']
}

const range = (values: number[]) =>
  `${whole(quantile(values))} (${whole(Math.min(...values))}–${whole(Math.max(...values))})`

const whole = (value: number) => Math.round(value).toLocaleString('en')

const percent = (share: number) => `${Math.round(share * 100)} %`

const mebi = (bytes: number) => Math.round(bytes / 2 ** 20)

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [head, head.map((_, at) => (at === 0 ? '---' : '--:')), ...rows].map(line).join('\n')
}
