import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  drain,
  inLanes,
  type Peer,
  type StartPeer,
  startAzurePeer,
  startGcsPeer,
  startLocalPeer,
  startRedisPeer,
  startS3Peer,
} from './bare-peers.ts'
import type { Put } from './bare-server.ts'
import { measure, quantile } from './measure.ts'
import { readOptions } from './options.ts'
import { writeSection } from './sections.ts'

const peers: Record<string, StartPeer> = {
  s3: startS3Peer,
  gcs: startGcsPeer,
  azure: startAzurePeer,
  redis: startRedisPeer,
  local: startLocalPeer,
}
const defaults = { keys: '20000', reads: '2000', rounds: '5', concurrency: '32', only: Object.keys(peers).join() }
const target = 0.9
const leastSeconds = 1

const usage = `node bench/providers.ts [options]
List rate and read rate of each provider beside a bare loop on its SDK.
  --keys N          keys of a listing (default ${defaults.keys})
  --reads N         reads of 1 to 4 KiB (default ${defaults.reads})
  --concurrency N   reads at a time (default ${defaults.concurrency})
  --rounds N        rounds, which alternate with the bare loop (default ${defaults.rounds})
  --only A,B        of ${defaults.only}
The table is printed. With the default sizes it also goes into bench/RESULTS.md, if there is one.`

const { values, isWhole } = readOptions(usage, defaults)
const [keys, reads, rounds, concurrency] = [values.keys, values.reads, values.rounds, values.concurrency].map(
  Number,
) as [number, number, number, number]

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Seconds of the clock, and of this process's processor time. */
interface Taken {
  seconds: number
  cpu: number
}

/** What one operation, done `count` times, took in each round. */
interface Found {
  title: string
  bareTitle: string
  operation: string
  count: number
  ours: Taken[]
  bare: Taken[]
}

// Objects that are read have a body; the others only fill the listing.
const bodies = Math.min(500, keys, reads)
const objects: Put = Array.from({ length: keys }, (_, n) => ({
  key: `data/${String(Math.floor(n / 1_000)).padStart(4, '0')}/${String(n).padStart(8, '0')}.jpg`,
  size: n < bodies ? 1024 * (1 + Math.floor((n * 4) / bodies)) : 0,
}))
const wanted = Array.from({ length: reads }, (_, n) => objects[n % bodies]!)
const bytesWanted = wanted.reduce((sum, { size }) => sum + size, 0)

/**
 * What `work` takes, on the average of `repeats` times. @throws Error unless it comes to `expected` each time, since then nothing
 * that it took means anything
 */
async function take(work: () => Promise<number>, expected: number, repeats: number): Promise<Taken> {
  // So that each pays for its own garbage.
  collectGarbage()
  const before = process.cpuUsage()
  const { seconds } = await measure(async () => {
    for (let n = 0; n < repeats; n++) {
      const value = await work()
      if (value !== expected) throw new Error(`The work came to ${value}, not to ${expected}.`)
    }
  })
  const { user, system } = process.cpuUsage(before)
  return { seconds: seconds / repeats, cpu: (user + system) / 1e6 / repeats }
}

async function listAll({ provider }: Peer): Promise<number> {
  const listed: unknown[] = []
  let cursor: string | null = null
  do {
    const page = await provider.list({ cursor, limit: 1_000, recursive: true })
    for (const object of page.objects) listed.push(object)
    cursor = page.cursor
  } while (cursor !== null)
  return listed.length
}

async function readAll(read: (key: string) => Promise<number>): Promise<number> {
  let bytes = 0
  await inLanes(wanted, concurrency, async ({ key }) => {
    const length = await read(key)
    bytes += length
  })
  return bytes
}

/**
 * The rounds of one operation; who begins alternates. The first round only warms up, and tells how often both must do it so
 * that no round is over in less than a second: shorter ones are a matter of luck.
 */
async function alternate(expected: number, ours: () => Promise<number>, bare: () => Promise<number>) {
  const taken = { ours: [] as Taken[], bare: [] as Taken[] }
  const warm = [await take(ours, expected, 2), await take(bare, expected, 2)]
  const repeats = Math.ceil(leastSeconds / Math.min(...warm.map(({ seconds }) => seconds)))
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)
    for (const who of order) taken[who].push(await take(who === 'ours' ? ours : bare, expected, repeats))
  }
  return taken
}

async function compare(start: StartPeer): Promise<Found[]> {
  const peer = await start(objects)
  const { title, bareTitle, provider } = peer
  // As who reads has one, that can give up; the bare loops cannot.
  const { signal } = new AbortController()
  try {
    const list = await alternate(
      keys,
      () => listAll(peer),
      async () => (await peer.bareList()).length,
    )
    const read = await alternate(
      bytesWanted,
      () => readAll(async (key) => drain((await provider.read(key, { signal })).body)),
      () => readAll(peer.bareRead),
    )
    return [
      { title, bareTitle: bareTitle.list, operation: 'list', count: keys, ...list },
      { title, bareTitle: bareTitle.read, operation: 'read', count: reads, ...read },
    ]
  } finally {
    provider.close()
    await peer.stop()
  }
}

/** In the middle of the rounds: by how much ours is faster than bare in the same round; less than 1 when it is slower. */
const ratio = ({ ours, bare }: Found, of: keyof Taken) => quantile(ours.map((took, n) => bare[n]![of] / took[of]))

function row(found: Found): string {
  const { title, bareTitle, operation, count, ours, bare } = found
  const rate = (taken: Taken[]) => whole(quantile(taken.map(({ seconds }) => count / seconds)))
  const micros = (taken: Taken[]) => (quantile(taken.map(({ cpu }) => cpu / count)) * 1e6).toFixed(1)
  const cells = [
    `${title}, ${operation}`,
    bareTitle,
    rate(ours),
    rate(bare),
    percent(ratio(found, 'seconds')),
    micros(ours),
    micros(bare),
    percent(ratio(found, 'cpu')),
  ]
  return `| ${cells.join(' | ')} |`
}

const whole = (value: number) => Math.round(value).toLocaleString('en')
const percent = (share: number) => `${Math.round(share * 100)} %`

const found: Found[] = []
for (const name of values.only.split(',')) {
  const start = peers[name]
  if (!start) throw new Error(`There is no ${name}; there are ${defaults.only}.`)
  console.error(`… ${name}`)
  found.push(...(await compare(start)))
}

const text = `## Providers

${whole(keys)} keys listed in pages of 1,000, one after the other; ${whole(reads)} objects of 1 to 4 KiB read to their ends, ${concurrency} at a
time; each beside a loop on the bare SDK with the same pages, in the same process; with the
same agent settings for S3 and Azure, but the SDK's own for GCS. Servers run in processes of their own. Ours can be aborted,
and every body is a stream that is read to its end; a bare loop that has the bytes at once makes a stream of them.
Medians of ${rounds} rounds of at least a second that alternate with the bare loop; a ratio is the median of those of each round, by the clock
and by this process's processor time, which neighbours disturb less. Target: at least ${percent(target)}.

| | Beside | Sluice, per s | Bare, per s | Ratio | Sluice, CPU µs each | Bare, CPU µs each | CPU ratio |
| --- | --- | --: | --: | --: | --: | --: | --: |
${found.map(row).join('\n')}
`
console.log(text)

if (isWhole) writeSection('providers', text)
process.exit()
