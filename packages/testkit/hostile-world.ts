import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createClient, type GraphqlClient } from './client.ts'
import { type HostilePorts, hostileModes, hostileReplies } from './hostile-server.ts'
import { launch, temporaryFolder } from './launch.ts'
import { waitFor } from './wait-for.ts'

/** A place that a hostile server serves. */
export interface HostilePlace {
  name: string
  mode: string
  location: object
}

/** What the server took while something went on. */
export interface Strain {
  /** Most memory above that of before, in MiB (RssAnon of Linux). */
  memoryMiB: number
  /** The slowest answer of /health, in milliseconds. */
  healthMs: number
  /** 95 of 100 answers of /health were as fast, in milliseconds. */
  healthP95Ms: number
}

export interface HostileWorld {
  client: GraphqlClient
  places: HostilePlace[]
  /** Runs `work` and measures the server meanwhile, every 20 ms. */
  strain(work: () => Promise<void>): Promise<Strain>
  stop(): Promise<void>
}

const token = 'hostile-admin-token-0123456789'

/** A server of ours and a hostile one, each in a process of its own. Without a database, ours embeds one. */
export async function startHostileWorld(database?: { url: string; drop(): Promise<void> }): Promise<HostileWorld> {
  const script = fileURLToPath(new URL('hostile-server.ts', import.meta.url))
  const hostile = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await waitFor(hostile.stdout, 'data')
  const folder = temporaryFolder()
  const server = launch({
    ...(database && { DATABASE_URL: database.url }),
    DATA_DIR: `${folder.path}/data`,
    ADMIN_TOKEN: token,
    LOG_LEVEL: 'error',
  })
  const { url } = await server.ready()
  const client = createClient(url, token)
  const memory = () =>
    Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))![1]) / 1_024
  return {
    client,
    places: placesOf(JSON.parse(String(line))),
    async strain(work) {
      const before = memory()
      const times: number[] = []
      let [most, isOver] = [before, false]
      const watching = (async () => {
        while (!isOver) {
          const asked = performance.now()
          const answer = await fetch(`${url}/health`)
          await answer.text()
          times.push(performance.now() - asked)
          most = Math.max(most, memory())
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      })()
      try {
        await work()
      } finally {
        isOver = true
        await watching
      }
      times.sort((a, b) => a - b)
      const healthP95Ms = times[Math.floor(times.length * 0.95)] ?? 0
      return { memoryMiB: most - before, healthMs: times.at(-1) ?? 0, healthP95Ms }
    },
    async stop() {
      await client.close()
      await server.end()
      hostile.kill()
      await database?.drop()
      folder.remove()
    },
  }
}

function placesOf({ http, redis }: HostilePorts): HostilePlace[] {
  const base = `http://127.0.0.1:${http}`
  const keys = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' }
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const private_key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const keyFile = (mode: string) =>
    JSON.stringify({
      type: 'service_account',
      client_email: 'a@b.example',
      private_key,
      token_uri: `${base}/token/${mode}`,
    })
  const role = { roleArn: 'arn:aws:iam::123456789012:role/r' }
  return [
    ...hostileModes.flatMap((mode) => [
      { name: `S3 ${mode}`, mode, location: { s3: { bucket: mode, endpoint: base, ...keys } } },
      {
        name: `STS ${mode}`,
        mode,
        location: { s3: { bucket: 'b-b', endpoint: base, ...keys, ...role, stsEndpoint: `${base}/${mode}` } },
      },
      { name: `GCS ${mode}`, mode, location: { gcs: { bucket: mode, endpoint: base, anonymous: true } } },
      {
        name: `token_uri ${mode}`,
        mode,
        location: { gcs: { bucket: mode, endpoint: base, serviceAccountJson: keyFile(mode) } },
      },
      {
        name: `Azure ${mode}`,
        mode,
        location: {
          azureBlob: { account: 'account', container: mode, endpoint: `${base}/account`, accountKey: 'c2VjcmV0' },
        },
      },
    ]),
    ...hostileReplies.map((mode) => ({
      name: `Redis ${mode}`,
      mode,
      location: { redis: { host: '127.0.0.1', port: redis[mode] } },
    })),
  ]
}
