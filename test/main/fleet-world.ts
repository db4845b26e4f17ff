import { createDatabase } from '@sluice/testkit/app.ts'
import { createClient, type GraphqlClient } from '@sluice/testkit/client.ts'
import { type Launched, launch, temporaryFolder } from '@sluice/testkit/launch.ts'
import { type S3Server, startS3 } from '@sluice/testkit/s3.ts'
import { type Front, type S3Request, startFront } from '@sluice/testkit/s3-front.ts'
import { createProject, createStorage } from '@sluice/testkit/scenario.ts'
import { onTestFinished } from 'vitest'

const adminToken = 'a-token-for-a-whole-fleet-1234'

/** Processes on one database, beside an S3 emulator whose front knows which of them asked. */
export interface Fleet {
  s3: S3Server
  front: Front
  databaseUrl: string
  /** Names of the processes that have sent requests to the bucket, in order, each once in a row. */
  askers: string[]
  /** Starts a process; its requests carry the name. Killed when the test is over. */
  start(name: string, env?: Record<string, string>): Promise<Launched & { url: string; client: GraphqlClient }>
  /** A bucket of `count` files, connected to a new project. */
  storage(client: GraphqlClient, bucket: string, count: number): Promise<{ id: string; databaseId: number }>
}

/** Starts what the processes need; `databaseUrl` unless each test wants a database of its own. */
export async function startFleet(options: { databaseUrl?: string; maxKeys?: number } = {}): Promise<Fleet> {
  const database = options.databaseUrl ? undefined : await createDatabase()
  const databaseUrl = options.databaseUrl ?? database!.url
  const s3 = await startS3()
  const askers: string[] = []
  const onRequest = ({ headers }: S3Request) => {
    const name = /\bapp\/(\S+)/.exec(headers['user-agent'] ?? '')?.[1]
    if (name && askers.at(-1) !== name) askers.push(name)
  }
  const front = await startFront({
    target: s3.endpoint,
    onRequest,
    ...(options.maxKeys && { maxKeys: options.maxKeys }),
  })
  const folder = temporaryFolder()
  const started: (Launched & { client: GraphqlClient })[] = []
  onTestFinished(async () => {
    for (const { client, end } of started) {
      await client.close()
      await end('SIGKILL')
    }
    await Promise.all([s3.stop(), front.stop()])
    await database?.drop()
    folder.remove()
  })
  return {
    s3,
    front,
    databaseUrl,
    askers,
    async start(name, env = {}) {
      const launched = launch({
        DATABASE_URL: databaseUrl,
        DATA_DIR: folder.path,
        ADMIN_TOKEN: adminToken,
        SECRET_KEY: 'the-same-secret-key-for-the-whole-fleet',
        AWS_SDK_UA_APP_ID: name,
        ...env,
      })
      const { url } = await launched.ready()
      const process = { ...launched, url, client: createClient(url, adminToken) }
      started.push(process)
      return process
    },
    async storage(client, bucket, count) {
      await s3.createBucket(bucket)
      await s3.seed(bucket, { count })
      const { storage } = await createStorage(client, {
        projectId: await createProject(client),
        location: { s3: { bucket, endpoint: front.endpoint, accessKeyId: 'a', secretAccessKey: 'b' } },
        skipCheck: true,
      })
      return storage
    },
  }
}
