import { randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { freePort } from '@sluice/testkit/free-port.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { startEmbedded } from '../src/database/embedded.ts'
import { startGenerated } from './generated-s3.ts'
import { quantile } from './measure.ts'
import { startNginx } from './nginx.ts'
import { readOptions } from './options.ts'
import { startRedirects } from './redirect-server.ts'
import { type Compared, type ResolveFound, resolveReport, warmUpRounds } from './resolve-report.ts'
import { writeSection } from './sections.ts'
import { startSlowClients } from './slow-clients.ts'
import { cpuSeconds, residentMiB, type SluiceProcess, startSluice } from './sluice-process.ts'
import { withDataFolder } from './stage.ts'
import { load } from './wrk.ts'

const defaults = { rounds: '5', seconds: '4', processes: '2', clients: '1000', only: 'streams,redirects,clients' }

const usage = `node bench/resolve.ts [options]
Compares resolve links with nginx, a bare presign loop and a bare node:http server. Needs nginx-light and wrk of Debian.
  --rounds N      number of rounds; each measures Sluice and the peer in turn (default ${defaults.rounds})
  --seconds N     duration of each load in a round, in seconds (default ${defaults.seconds})
  --processes N   number of Sluice processes that share the port (default ${defaults.processes})
  --clients N     number of slow clients (default ${defaults.clients})
  --only A,B      measure only these sections (default ${defaults.only})
  --profile DIR   write CPU profiles of the Sluice processes to this folder
The command prints a table. If all options are the defaults, it also writes the table to bench/RESULTS.md.`

const { values, isWhole } = readOptions(usage, defaults, ['profile'])
const [rounds, seconds, processes, clients] = [values.rounds, values.seconds, values.processes, values.clients].map(
  Number,
) as [number, number, number, number]
const only = new Set(values.only.split(','))

const size = 100_000_000
const bucket = `bytes-${size}`
/** For a redirect to be asked for once there must be more keys than can be asked for. */
const onceKeys = 40_000 * seconds
const againKeys = 1_000

/** A project whose objects are streamed, or led to by redirects, and the paths of links to them that need no header. */
async function openProject(client: GraphqlClient, { endpoint, presign }: { endpoint: string; presign: boolean }) {
  const projectId = await createProject(client, 'Resolve')
  const location = { s3: { bucket, endpoint, accessKeyId: 'bench', secretAccessKey: 'bench' } }
  const { storage, message } = await createStorage(client, { projectId, presign, skipCheck: true, location })
  if (!storage) throw new Error(`The bucket could not be connected: ${message}`)
  const { createMediaToken, project } = await client
    .request(
      `mutation ($id: ID!) { createMediaToken(input: { projectId: $id, ttlSeconds: 86400 }) {
      ... on CreateMediaTokenSuccess { mediaToken { token } } ... on Error { message } } }`,
      { id: projectId },
    )
    .then(async (made) => ({
      ...made,
      ...(await client.request('query ($id: ID!) { project(id: $id) { databaseId } }', { id: projectId })),
    }))
  const { token } = createMediaToken.mediaToken
  return (key: string) => {
    const fileuri = Buffer.from(`s3://${bucket}/${key}`).toString('base64url')
    return `/projects/${project.databaseId}/resolve/?fileuri=${fileuri}&token=${token}`
  }
}

/** What one server did in a round, and the processor time that it took for it. */
async function measured(pids: number[], work: () => Promise<number>) {
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const before = cpu()
  const rate = await work()
  return { rate, cpuSeconds: (cpu() - before) / (rate * seconds) }
}

type Turn = () => Promise<{ rate: number; cpuSeconds: number }>

/** Rounds of both; who begins alternates. The first ones only warm up. */
async function alternate(title: string, turns: { ours: Turn; bare: Turn }): Promise<Compared> {
  const found: Compared = { ours: [], bare: [] }
  for (let round = 1 - warmUpRounds; round <= rounds; round++) {
    console.error(`… ${title}, ${round > 0 ? `round ${round} of ${rounds}` : 'warming up'}`)
    for (const who of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
      const took = await turns[who]()
      if (round > 0) found[who].push(took)
    }
  }
  return found
}

/** 95th percentile of a small query asked one after the other, in milliseconds. */
async function queryP95(client: GraphqlClient): Promise<number> {
  const taken: number[] = []
  for (let n = 0; n < 4_000; n++) {
    const asked = performance.now()
    await client.request('{ viewer { name } projects(first: 10) { edges { node { title } } } }')
    taken.push(performance.now() - asked)
  }
  return quantile(taken, 0.95)
}

/** Resolves when the process does little: at first it fills the buffers that the system has for each connection. */
async function settled(pid: number): Promise<void> {
  for (let second = 0; second < 120; second++) {
    const before = cpuSeconds(pid)
    await sleep(1_000)
    if (cpuSeconds(pid) - before < 0.15) return
  }
  throw new Error('The server does not come to rest.')
}

const found: ResolveFound = { load: loadavg()[0]!, rounds, seconds, processes, clients }

await withDataFolder(async (dataDir) => {
  const postgres = await startEmbedded({ dataDir })
  const s3 = await startGenerated()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const token = randomBytes(24).toString('base64url')
  const nodeOptions = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
  const settings = {
    PORT: String(port),
    HOST: '127.0.0.1',
    REUSE_PORT: 'true',
    DATA_DIR: dataDir,
    DATABASE_URL: postgres.url,
    SECRET_KEY: 'bench-resolve-bench-resolve-bench-resolve',
    ADMIN_TOKEN: token,
    // A stream of a slow client stays open for longer than the default allows.
    RESOLVER_PROXY_TIMEOUT: '3600',
  }
  const start = () => startSluice(settings, nodeOptions)
  const sluices: SluiceProcess[] = [await start()]
  const client = createClient(url, token)
  try {
    const streamed = await openProject(client, { endpoint: s3.endpoint, presign: false })
    const signed = await openProject(client, { endpoint: s3.endpoint, presign: true })

    if (only.has('clients')) {
      const pid = sluices[0]!.pid
      await queryP95(client)
      found.slow = { before: residentMiB(pid), most: 0, p95: [] }
      for (let round = 1; round <= rounds; round++) {
        console.error(`… ${clients} slow clients, round ${round} of ${rounds}`)
        const without = await queryP95(client)
        const slow = await startSlowClients(url + streamed('large'), { count: clients, bytesPerSecond: 16_384 })
        await settled(pid)
        found.slow.p95.push({ without, with: await queryP95(client) })
        await slow.expectAll()
        found.slow.most = Math.max(found.slow.most, residentMiB(pid))
        await slow.leave()
        await settled(pid)
      }
    }

    while (sluices.length < processes) sluices.push(await start())
    const pids = sluices.map(({ pid }) => pid)

    if (only.has('streams')) {
      const nginx = await startNginx(s3.endpoint)
      found.nginx = nginx.version
      const direct = new URL(`/${bucket}/large`, s3.endpoint).href
      const kinds = {
        whole: { connections: 4 },
        ranges: { connections: 16, range: { bytes: 65_536, size } },
      }
      const rateOf = async (at: string, kind: keyof typeof kinds) =>
        (await load({ url: at, seconds, ...kinds[kind] })).megabytes
      for (const kind of ['whole', 'ranges'] as const) {
        found[kind] = await alternate(kind, {
          ours: () => measured(pids, () => rateOf(url + streamed('large'), kind)),
          bare: () => measured([nginx.pid], () => rateOf(`${nginx.url}/${bucket}/large`, kind)),
        })
        found[kind].direct = await rateOf(direct, kind)
      }
      await nginx.stop()
    }

    if (only.has('redirects')) {
      const connections = 16
      const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' }
      const sdk = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
      let made = 0
      found.once = await alternate('redirects, each key once', {
        ours: () =>
          measured(pids, async () => {
            const round = made++
            const paths = Array.from({ length: onceKeys }, (_, n) => signed(`once-${round}/${n}.jpg`))
            const { requests } = await load({ url, connections, seconds, paths })
            if (requests * seconds > onceKeys) throw new Error('There were too few keys.')
            return requests
          }),
        bare: () =>
          measured([process.pid], async () => {
            const end = performance.now() + seconds * 1_000
            let count = 0
            for (; performance.now() < end; count++) {
              const asked = { Bucket: bucket, Key: `bare/${made}/${count}.jpg`, ResponseContentType: 'image/jpeg' }
              await getSignedUrl(sdk, new GetObjectCommand(asked), { expiresIn: 900 })
            }
            return count / seconds
          }),
      })
      const location = await getSignedUrl(sdk, new GetObjectCommand({ Bucket: bucket, Key: 'again/0.jpg' }))
      const redirects = await startRedirects(location)
      const paths = Array.from({ length: againKeys }, (_, n) => signed(`again/${n}.jpg`))
      found.again = await alternate('redirects, keys asked again', {
        ours: () => measured(pids, async () => (await load({ url, connections, seconds, paths })).requests),
        bare: () =>
          measured(
            [redirects.pid],
            async () => (await load({ url: redirects.url, connections, seconds, paths })).requests,
          ),
      })
      await redirects.stop()
      sdk.destroy()
    }
  } finally {
    await client.close()
    for (const sluice of sluices) await sluice.stop()
    await s3.stop()
    await postgres.stop()
  }
})

const text = resolveReport(found)
console.log(text)
if (isWhole) writeSection('resolve', text)
process.exit()
