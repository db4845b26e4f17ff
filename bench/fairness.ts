// What a project notices of another one that takes whatever it can get. By hand: `node bench/fairness.ts`.
import { randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { freePort } from '@sluice/testkit/free-port.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { createProject, createStorage, startSync } from '@sluice/testkit/scenario.ts'
import { type HostileFound, startHostile } from './hostile.ts'
import { quantile } from './measure.ts'
import { readOptions } from './options.ts'
import { machine } from './report.ts'
import { writeSection } from './sections.ts'
import { startSluice } from './sluice-process.ts'
import { withDataFolder } from './stage.ts'
import { followToEnd } from './sync.ts'

const defaults = {
  syncs: '20',
  queries: '1000',
  storages: '100',
  webhooks: '100',
  subscriptions: '5000',
  flood: '8',
}

const usage = `node bench/fairness.ts [options]
Measures how a project slows down while a hostile project uses all that the server grants it.
  --syncs N          number of syncs of the measured project, one at a time (default ${defaults.syncs})
  --queries N        number of queries of the measured project, one at a time (default ${defaults.queries})
Load of the hostile project:
  --storages N       number of storages whose sync hangs (default ${defaults.storages})
  --webhooks N       number of webhooks whose receiver never answers (default ${defaults.webhooks})
  --subscriptions N  number of subscriptions on ten WebSockets (default ${defaults.subscriptions})
  --flood N          number of queries at the same time; 0: none (default ${defaults.flood})`

const { values, isWhole } = readOptions(usage, defaults)
const wanted = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)])) as Record<
  keyof typeof defaults,
  number
>

/** What the other project measures, in milliseconds. */
interface Seen {
  start: number[]
  query: number[]
}

async function look(client: GraphqlClient, storage: string): Promise<Seen> {
  const seen: Seen = { start: [], query: [] }
  for (let n = 0; n < wanted.syncs; n++) {
    const { startedAt, queuedAt } = await followToEnd(client, await startSync(client, storage))
    seen.start.push(Date.parse(startedAt) - Date.parse(queuedAt))
  }
  const query = `query ($id: ID!) { node(id: $id) { ... on ImportStorage { id title status lastSyncCount } } }`
  for (let n = 0; n < wanted.queries; n++) {
    const asked = performance.now()
    await client.request(query, { id: storage })
    seen.query.push(performance.now() - asked)
  }
  return seen
}

const load = loadavg()[0]!
const adminToken = randomBytes(24).toString('base64url')
const seen = await withDataFolder(async (dataDir) => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const s3 = await startS3()
  const sluice = await startSluice({ PORT: String(port), DATA_DIR: dataDir, ADMIN_TOKEN: adminToken })
  const admin = createClient(url, adminToken)
  try {
    const newToken = async (name: string) => {
      const { createApiToken } = await admin.request(
        'mutation ($name: String!) { createApiToken(name: $name) { ... on CreateApiTokenSuccess { newToken { token } } } }',
        { name },
      )
      return createApiToken.newToken.token as string
    }
    const client = createClient(url, await newToken('other'))
    await s3.createBucket('other')
    await s3.seed('other', { count: 1 })
    const { storage } = await createStorage(client, {
      projectId: await createProject(client),
      location: { s3: { bucket: 'other', endpoint: s3.endpoint, accessKeyId: 'a', secretAccessKey: 'b' } },
      skipCheck: true,
    })
    console.error('… warm')
    await look(client, storage.id)
    console.error('… alone')
    const alone = await look(client, storage.id)
    console.error('… beside')
    const hostile = await startHostile({
      ...{ url, token: await newToken('hostile') },
      storages: wanted.storages,
      webhooks: wanted.webhooks,
      subscriptions: wanted.subscriptions,
      queries: wanted.flood,
    })
    const beside = await look(client, storage.id)
    const found = await hostile.leave()
    await client.close()
    return { alone, beside, found }
  } finally {
    await admin.close()
    await sluice.stop()
    await s3.stop()
  }
})

function report({ alone, beside, found }: { alone: Seen; beside: Seen; found: HostileFound }): string {
  const ms = (all: number[], share: number) => quantile(all, share).toFixed(1)
  const line = (name: string, at: keyof Seen, target: string) =>
    `| ${name} | ${ms(alone[at], 0.5)} | ${ms(alone[at], 0.95)} | ${ms(beside[at], 0.5)} | ${ms(beside[at], 0.95)} | ${Math.max(...beside[at]).toFixed(1)} | ${(quantile(beside[at], 0.95) / quantile(alone[at], 0.95)).toFixed(1)} | ${target} |`
  return `## Fairness

Made by \`node bench/fairness.ts\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}, Node ${process.versions.node}. One
process of Sluice with default settings, its PostgreSQL, an S3 emulator and both projects share the cores. The load average
before the start was ${load.toFixed(1)}: above 0.5, other work took part of the machine.

| Milliseconds | Alone, median | 95 % | Beside, median | 95 % | Most | Ratio of the 95 % | Target |
| --- | --: | --: | --: | --: | --: | --: | --- |
${line('a sync, from queued to started', 'start', 'most ≤ 2,000')}
${line('a small query', 'query', 'ratio ≤ 2')}

*Beside* a hostile project with ${wanted.storages} storages whose listings never answer (${found.listings} were asked), ${wanted.webhooks} webhooks whose receiver never
answers (${found.deliveries} messages under way), ${wanted.subscriptions} subscriptions on ten sockets (${found.subscriptions} accepted), and ${wanted.flood} queries under way at any
time (${found.answered} answered, ${found.refused} refused with 429).
`
}

const text = report(seen)
console.log(text)
if (isWhole) writeSection('fairness', text)
process.exit()
