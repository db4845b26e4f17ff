import { quantile } from './measure.ts'
import { machine } from './report.ts'

/** What a process holds after its garbage was collected. */
export interface State {
  residentMiB: number
  heapMiB: number
  /** Readers of live events, and open files and sockets. */
  feeds: number
  descriptors: number
}

/** What the subscribers of one server were told. Times are milliseconds, one for each event that reached one subscriber. */
export interface FanOut {
  /** Whether of the server to compare with. */
  isBare: boolean
  openSeconds: number
  openCpuSeconds: number
  seconds: number
  events: number
  delivered: number
  lagged: number
  bytesEach: number
  cpuSecondsEach: number
  sinceCommit: number[]
  sinceBegin: number[]
  /** `after` all were closed, and after all were opened and closed `again`. */
  states: { before: State; open: State; residentWith: number; after: State; again: State }
}

/** The report, as Markdown. */
export function fanOutReport(options: {
  load: number
  subscribers: number
  storages: number
  keys: number
  found: Record<string, FanOut>
}): string {
  const { load, subscribers, storages, keys, found } = options
  const servers = Object.entries(found)
  const bare = servers.find(([, { isBare }]) => isBare)?.[1]
  const bareP99 = bare && quantile(bare.sinceCommit, 0.99)
  const rows = servers.map(([name, one]) => {
    const p99 = quantile(one.sinceCommit, 0.99)
    const ratio = bareP99 && !one.isBare ? (p99 / bareP99).toFixed(2) : ''
    const shares = [0.5, 0.95, 0.99, 1].map((share) => ms(quantile(one.sinceCommit, share)))
    return [name, ...shares, ratio, ms(quantile(one.sinceBegin, 0.99)), (one.cpuSecondsEach * 1e6).toFixed(1)]
  })
  const flow = servers.map(([name, one]) => [
    name,
    whole(one.events),
    one.seconds.toFixed(1),
    whole(one.delivered),
    whole(one.delivered / one.seconds),
    one.bytesEach.toFixed(0),
    String(one.lagged),
    one.openSeconds.toFixed(1),
    ((one.openCpuSeconds / subscribers) * 1e3).toFixed(2),
  ])
  const held = servers.flatMap(([name, { states }]) => {
    const { before, open, residentWith, after, again } = states
    return (['residentMiB', 'heapMiB', 'feeds', 'descriptors'] as const).map((what) => [
      `${name}: ${words[what]}`,
      ...[before, open].map((state) => whole(state[what])),
      what === 'residentMiB' ? whole(residentWith) : '',
      ...[after, again].map((state) => whole(state[what])),
    ])
  })
  return `## Fan-out

Made by \`node bench/fan-out.ts\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}, Node ${process.versions.node}.
${whole(subscribers)} WebSockets from two processes, each with one subscription to one of ${storages} storages or to its project, while
those storages import ${whole(keys)} generated keys each. Servers, worker, PostgreSQL, S3 and clients share these cores. The load
average before the start was ${load.toFixed(1)}: above 0.5, other work took part of the machine.

${table(['Milliseconds to the client', 'median', '95 %', '99 %', 'most', '99 % to bare', '99 % since begin', 'CPU µs each'], rows)}

Targets: 99 % within 250 ms, and at most 2 × the bare server. Times run from when an idle listener heard of the event's commit; *since
begin* from the event's \`at\`, the beginning of its transaction, which also writes objects. The bare server is graphql-ws on ws
with a schema of the same shape in a process of its own; it is handed each event when its commit is heard of, and executes it for
each subscriber. It checks no rights and has no database. The same worker process syncs beside it. *CPU* is the processor time
of the server's process for each message, which in one process holds the syncs, too. A bare server that misses 250 ms
itself tells of a machine that was too busy for that target to be judged; the ratio holds still.

${table(['', 'Events', 'Seconds', 'Messages', 'Messages/s', 'Bytes each', 'Lagged', 'Seconds to open all', 'CPU ms each to open'], flow)}

${table(['', 'before', 'all open', 'all told', 'all closed', 'opened and closed again'], held)}

Garbage is collected before each look, but not at *all told*, and both servers are looked at 15 seconds after the last socket has
closed. The heap holds what is in use. V8 keeps the pages of a heap that has shrunk for its next growth, so resident memory
stays where it was, as the bare server shows; Sluice gives them back when half of many subscribers have left and it is calm.`
}

const words = {
  residentMiB: 'resident MiB',
  heapMiB: 'heap MiB',
  feeds: 'readers of events',
  descriptors: 'files and sockets',
}
const ms = (value: number) => value.toFixed(1)
const whole = (value: number) => Math.round(value).toLocaleString('en-US')

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, n) => (n === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n')
}
