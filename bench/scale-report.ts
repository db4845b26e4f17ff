import { machine } from './report.ts'
import type { Deleted } from './scale-delete.ts'
import type { Events } from './scale-events.ts'
import type { AtSize, Phase } from './scale-phases.ts'

/** The report, as Markdown. */
export function scaleReport({
  load,
  connections,
  deletes,
  sizes,
  events,
}: {
  load: number
  connections: Record<string, number>
  deletes: Deleted[]
  sizes: AtSize[]
  events: Events
}): string {
  const names = sizes.map(({ size }) => whole(size))
  const relations = sizes[0]!.relations.map(({ name, kind }) => [
    `${kind} \`${name}\``,
    ...sizes.map((at) => {
      const { bytes, levels } = at.relations.find((other) => other.name === name)!
      return `${(bytes / at.size).toFixed(1)}${levels === null ? '' : ` (${levels})`}`
    }),
  ])
  const all = ['all', ...sizes.map((at) => (at.relations.reduce((sum, r) => sum + r.bytes, 0) / at.size).toFixed(1))]
  return `## Scale

Made by \`node bench/scale.ts\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}, Node ${process.versions.node}.
One storage of files is grown by syncs of generated listings and looked at at each size. The load average before the start was ${load.toFixed(1)}.
Bytes, blocks (of 8 KiB, in memory or not) and calls do not depend on how busy the machine is; seconds do.

### Bytes for each object

${table(['', ...names], [...relations, all])}

In brackets: levels of the index. Right after the import, before a vacuum; keys have 24 bytes.

### What a sync takes

${table(
  [
    'For 1,000 objects',
    'Blocks to look up',
    'Blocks to write',
    'Blocks to choose missing',
    'Blocks to flag',
    'WAL, KiB',
    'Database CPU, ms',
    'Process CPU, ms',
    'List calls',
    'Events',
    'Dead links',
  ],
  sizes.flatMap(({ size, grow, again, missing, back }) => [
    phase(`${whole(size)}: new`, grow),
    phase(`${whole(size)}: known`, again),
    phase(`${whole(size)}: ${whole(missing.objects)} gone`, missing),
    phase(`${whole(size)}: ${whole(back.objects)} back`, back),
  ]),
)}

New: all from the size before. A sync of what is gone or back also looks up all that is there, by which its columns for lookups, CPU, list
calls and events are divided, too: those are for 1,000 objects listed. Foreign keys are in *to write*.
*Process* is this one, which is server, worker and client.

| | ${names.join(' | ')} |
| --- |${' --: |'.repeat(sizes.length)}
| \`vacuum import_link\` after that, seconds | ${sizes.map((at) => at.vacuumSeconds.toFixed(2)).join(' | ')} |
| bytes of an event | ${sizes.map((at) => (at.grow.eventBytes / at.grow.events).toFixed(0)).join(' | ')} |

### What the API reads to answer

${table(
  ['Blocks (milliseconds)', ...names],
  sizes[0]!.questions.map(({ name }) => [
    name,
    ...sizes.map((at) => {
      const { blocks, ms } = at.questions.find((other) => other.name === name)!
      return `${whole(blocks)} (${ms.toFixed(1)})`
    }),
  ]),
)}

### Deletes

${table(
  [
    'Objects',
    'Storage, s',
    'WAL for each, bytes',
    'Project, s',
    'WAL for each, bytes',
    'Memory of the backend, MiB more',
  ],
  deletes.map(({ size, storage, project }) => [
    whole(size),
    storage.seconds.toFixed(2),
    (storage.walBytes / size).toFixed(0),
    project.seconds.toFixed(2),
    (project.walBytes / size).toFixed(0),
    (Math.max(project.memoryBytes, storage.memoryBytes) / 2 ** 20).toFixed(1),
  ]),
)}

### Event log

${table(['Writers at once', ...Object.keys(events.rates)], [['Events/s', ...Object.values(events.rates).map(whole)]])}

A line takes ${events.bytesEach.toFixed(0)} bytes with its indexes. To shorten a log of ${whole(events.prune.lines)} lines took ${events.prune.seconds.toFixed(1)} s,
${events.prune.blocksEach.toFixed(1)} blocks and ${events.prune.walBytesEach.toFixed(0)} bytes of WAL for each. To find in it that a storage has no event read ${whole(events.seek.blocks)} blocks (${events.seek.ms.toFixed(0)} ms).

### Connections

${table(['Process, idle', ...Object.keys(connections).map((role) => `\`${role}\``)], [['Connections', ...Object.values(connections).map(String)]])}
`
}

function phase(name: string, found: Phase): string[] {
  const each = (value: number, objects: number, digits = 0) =>
    objects === 0 ? '' : ((value / objects) * 1_000).toFixed(digits)
  const { listed, objects } = found
  return [
    name,
    each(found.sift.blocks, listed),
    each(found.write.blocks, objects),
    each(found.sweep.blocks, objects),
    each(found.flag.blocks, objects),
    each(found.walBytes / 1024, objects, 1),
    each(found.backendSeconds * 1_000, listed, 1),
    each(found.processSeconds * 1_000, listed, 1),
    each(found.listCalls, listed, 2),
    each(found.events, listed, 2),
    whole(found.deadLinks),
  ]
}

const whole = (value: number) => Math.round(value).toLocaleString('en')

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [head, head.map((_, at) => (at === 0 ? '---' : '--:')), ...rows].map(line).join('\n')
}
