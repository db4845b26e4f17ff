import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { freePort } from '@sluice/testkit/free-port.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import pg from 'pg'
import { startEmbedded } from '../src/database/embedded.ts'
import { eventChannel } from '../src/events/log.ts'
import { startSubscribers, type Told } from './fan-out-clients.ts'
import { type FanOut, fanOutReport, type State } from './fan-out-report.ts'
import { startGenerated } from './generated-s3.ts'
import { type BareServer, startBareServer } from './graphql-ws-server.ts'
import { readOptions } from './options.ts'
import { writeSection } from './sections.ts'
import { cpuSeconds, residentMiB, startSluice } from './sluice-process.ts'
import { withDataFolder } from './stage.ts'

const defaults = { subscribers: '5000', storages: '10', keys: '40000', only: 'apart,whole,bare' }

const usage = `node bench/fan-out.ts [options]
Measures the time from an event to its subscribers during syncs, and compares Sluice with a bare graphql-ws server.
  --subscribers N  number of WebSockets, each with one subscription (default ${defaults.subscribers})
  --storages N     number of storages that sync at the same time (default ${defaults.storages})
  --keys N         number of objects in each storage (default ${defaults.keys})
  --only A,B       measure only these setups (default ${defaults.only}): an api and a worker process,
                   one process with both roles, the bare server
  --profile DIR    write CPU profiles of the Sluice processes to this folder
The command prints a table. If all options are the defaults, it also writes the table to bench/RESULTS.md.`

const { values, isWhole } = readOptions(usage, defaults, ['profile'])
const [subscribers, storages, keys] = [values.subscribers, values.storages, values.keys].map(Number) as [
  number,
  number,
  number,
]
const only = new Set(values.only.split(','))
/** The clients share the machine with the server: more processes would only take more of it. */
const clientProcesses = 2
const metricsToken = randomBytes(24).toString('base64url')
const token = randomBytes(24).toString('base64url')

interface Watched {
  project: string
  storage: string
  databaseId: number
}

/** Connects a bucket to a project of its own. */
async function connectOne(client: GraphqlClient, endpoint: string): Promise<Watched> {
  const project = await createProject(client, 'Fan-out')
  const location = { s3: { bucket: `keys-${keys}`, endpoint, accessKeyId: 'bench', secretAccessKey: 'bench' } }
  const { storage, message } = await createStorage(client, { projectId: project, importMethod: 'FILES', location })
  if (!storage) throw new Error(`The bucket could not be connected: ${message}`)
  return { project, storage: storage.id, databaseId: storage.databaseId }
}

/** Wall clock finer than `Date.now`. */
const now = () => performance.timeOrigin + performance.now()

/** What the subscriptions of one server are measured with. */
interface Round {
  url: string
  pid: number
  client: GraphqlClient
  watched: Watched[]
  /** Collects garbage, and tells what the process holds then. */
  look: () => Promise<State>
  isBare: boolean
}

/** Opens all subscriptions, syncs all storages and follows each to its end, closes; then opens and closes all of them again. */
async function measureRound(round: Round, heard: Map<string, number>): Promise<FanOut> {
  const { url, pid, client, watched, look, isBare } = round
  // Half of them as the page of a storage subscribes, half as the page of its project does.
  const variables = Array.from({ length: subscribers }, (_, n): Record<string, string> => {
    const { project, storage } = watched[n % watched.length]!
    return Math.floor(n / watched.length) % 2 === 0 ? { storageId: storage } : { projectId: project }
  })
  const openAll = () =>
    Promise.all(
      Array.from({ length: clientProcesses }, (_, part) =>
        startSubscribers({ url, token, variables: variables.filter((_, n) => n % clientProcesses === part) }),
      ),
    )
  const before = await look()
  const [opening, cpuOpening] = [performance.now(), cpuSeconds(pid)]
  const groups = await openAll()
  const [openSeconds, openCpuSeconds] = [(performance.now() - opening) / 1_000, cpuSeconds(pid) - cpuOpening]
  const open = await look()
  const [start, cpu] = [performance.now(), cpuSeconds(pid)]
  for (const { storage } of watched) await startSync(client, storage)
  await Promise.all(groups.map(({ ended }) => ended))
  const [seconds, took] = [(performance.now() - start) / 1_000, cpuSeconds(pid) - cpu]
  const residentWith = residentMiB(pid)
  const told: Told[] = []
  for (const group of groups) told.push(await group.told(heard))
  for (const group of groups) await group.close()
  const after = await settled(look, before)
  for (const group of await openAll()) await group.close()
  const again = await settled(look, before)
  const sum = (of: (part: Told) => number) => told.reduce((total, part) => total + of(part), 0)
  const count = sum(({ sinceCommit }) => sinceCommit.length)
  return {
    isBare,
    openSeconds,
    openCpuSeconds,
    seconds,
    events: heard.size,
    delivered: count,
    lagged: sum(({ lagged }) => lagged),
    bytesEach: sum(({ bytes }) => bytes) / count,
    cpuSecondsEach: took / count,
    sinceCommit: told.flatMap(({ sinceCommit }) => [...sinceCommit]),
    sinceBegin: told.flatMap(({ sinceBegin }) => [...sinceBegin]),
    states: { before, open, residentWith, after, again },
  }
}

/** What the process holds a while after as many readers of events are left as before. */
async function settled(look: () => Promise<State>, before: State): Promise<State> {
  for (let second = 0; second < 30; second++) {
    await sleep(1_000)
    const { feeds, descriptors } = await look()
    if (feeds <= before.feeds && descriptors <= before.descriptors) break
  }
  await sleep(15_000)
  return look()
}

const collectGarbage = ['--expose-gc', '--import', 'data:text/javascript,process.on("SIGUSR2",()=>gc())']

const held = (pid: number) => ({
  residentMiB: residentMiB(pid),
  descriptors: readdirSync(`/proc/${pid}/fd`).length,
})

function lookingAtSluice(url: string, pid: number): () => Promise<State> {
  return async () => {
    process.kill(pid, 'SIGUSR2')
    await sleep(1_000)
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } })
    const text = await answer.text()
    const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)![1])
    return {
      heapMiB: value('nodejs_heap_size_used_bytes') / 2 ** 20,
      feeds: value('sluice_event_feeds'),
      ...held(pid),
    }
  }
}

function lookingAtBare(server: BareServer): () => Promise<State> {
  return async () => {
    const { heapMiB, subscribed } = await server.look()
    return { heapMiB, feeds: subscribed, ...held(server.pid) }
  }
}

const load = loadavg()[0]!
const found: Record<string, FanOut> = {}

await withDataFolder(async (dataDir) => {
  const postgres = await startEmbedded({ dataDir })
  const s3 = await startGenerated()
  const nodeOptions = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
  const settings = {
    HOST: '127.0.0.1',
    // A process with one role is never in local mode.
    EGRESS_ALLOWED: '127.0.0.1',
    DATA_DIR: dataDir,
    DATABASE_URL: postgres.url,
    SECRET_KEY: 'bench-fan-out-bench-fan-out-bench-fan-out',
    ADMIN_TOKEN: token,
    METRICS_TOKEN: metricsToken,
    WORKER_CONCURRENCY: String(storages),
  }

  /** Starts Sluice, measures, stops it. */
  async function withSluice(name: string, isApart: boolean, isBare: boolean): Promise<void> {
    console.error(`… ${name}`)
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const start = (env: object) => startSluice({ ...settings, ...env }, [...collectGarbage, ...nodeOptions])
    const api = await start({ PORT: String(port), SLUICE_ROLES: isApart ? 'api' : 'api,worker' })
    const worker = isApart ? await start({ PORT: '0', SLUICE_ROLES: 'worker' }) : undefined
    const bare = isBare ? await startBareServer() : undefined
    const client = createClient(url, token)
    const ear = new pg.Client({ connectionString: postgres.url })
    // One connection, so that events are read in their order.
    const reader = new pg.Pool({ connectionString: postgres.url, max: 1 })
    try {
      const watched = await Promise.all(Array.from({ length: storages }, () => connectOne(client, s3.endpoint)))
      const byId = new Map(watched.map((one) => [one.databaseId, one]))
      const heard = new Map<string, number>()
      ear.on('notification', async ({ payload: id }) => {
        heard.set(id!, now())
        if (!bare) return
        const { rows } = await reader.query('select kind, storage, payload, created_at from event where id = $1', [id])
        const { kind, storage, payload: run, created_at } = rows[0]
        const { project, storage: storageId } = byId.get(Number(storage))!
        bare.push(project, {
          ...{ __typename: 'StorageState', cursor: id!, at: created_at.toISOString(), kind },
          storage: { id: storageId, title: '', status: run.status, lastSyncCount: null },
          run: { id: `SyncRun:${run.id}`, status: run.status, attempt: run.attempt, counters: run },
        })
      })
      await ear.connect()
      await ear.query(`listen ${eventChannel}`)
      const { pid } = bare ?? api
      const look = bare ? lookingAtBare(bare) : lookingAtSluice(url, pid)
      const socketUrl = bare?.url ?? `${url.replace('http', 'ws')}/graphql`
      found[name] = await measureRound({ url: socketUrl, pid, client, watched, look, isBare }, heard)
    } finally {
      await ear.end()
      await reader.end()
      await client.close()
      await bare?.stop()
      await worker?.stop()
      await api.stop()
    }
  }

  try {
    if (only.has('apart')) await withSluice('Sluice, a worker process beside it', true, false)
    if (only.has('whole')) await withSluice('Sluice, all in one process', false, false)
    if (only.has('bare')) await withSluice('graphql-ws, bare', true, true)
  } finally {
    await s3.stop()
    await postgres.stop()
  }
})

const text = fanOutReport({ load, subscribers, storages, keys, found })
console.log(text)
if (isWhole) writeSection('fan-out', text)
process.exit()
