import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Dirent } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { Storage } from '@google-cloud/storage'
import { startAzure } from '@sluice/testkit/azure.ts'
import { environment } from '@sluice/testkit/egress.ts'
import { startRedis } from '@sluice/testkit/redis.ts'
import { startS3 } from '@sluice/testkit/s3.ts'
import { Redis } from 'ioredis'
import { azureBlob } from '../src/providers/azure-blob/kind.ts'
import { gcs } from '../src/providers/gcs/kind.ts'
import { localFiles } from '../src/providers/local-files/kind.ts'
import type { Provider } from '../src/providers/provider.ts'
import { redis } from '../src/providers/redis/kind.ts'
import { clientConfig } from '../src/providers/s3/client-config.ts'
import { s3 } from '../src/providers/s3/kind.ts'
import type { S3Location } from '../src/providers/s3/location.ts'
import { bareList, type Listed } from './bare.ts'
import type { Put, ServerReport } from './bare-server.ts'

/** A place with objects, opened by our provider and by the SDK that the provider stands on. */
export interface Peer {
  /** Name of the kind of storage, and what stands beside our provider. */
  title: string
  bareTitle: { list: string; read: string }
  provider: Provider
  /** Lists everything page by page and keeps what it is told. */
  bareList(): Promise<Listed[]>
  /** Reads an object to its end. Number of bytes. */
  bareRead(key: string): Promise<number>
  stop(): Promise<void>
}

/** Starts the server, fills it with `objects`, opens both. */
export type StartPeer = (objects: Put) => Promise<Peer>

const bucket = 'bench-providers'
const pageSize = 1_000
const sockets = { keepAlive: true, maxSockets: 512 }

/** Takes a body to its end and throws the bytes away. Number of bytes. */
export function drain(body: Readable): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let bytes = 0
  body
    .on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    .on('end', () => resolve(bytes))
    .on('error', reject)
  return promise
}

/** Bytes that are there, as what every provider gives. */
function streamOf(bytes: Buffer): Readable {
  const body = new Readable({ read: nothing })
  body.push(bytes)
  body.push(null)
  return body
}
const nothing = () => {}

/** Does `work` with all items, `lanes` at a time. */
export async function inLanes<T>(items: Iterable<T>, lanes: number, work: (item: T) => Promise<unknown>) {
  const rest = items[Symbol.iterator]()
  const lane = async () => {
    for (let next = rest.next(); !next.done; next = rest.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

export const startS3Peer: StartPeer = async (objects) => {
  const server = await startS3()
  await server.createBucket(bucket)
  const alike = Map.groupBy(objects, ({ key, size }) => `${dirname(key)}/:${size}`)
  for (const [name, { length: count, 0: first }] of alike) {
    const prefix = name.split(':')[0]!
    const from = Number(/(\d+)\.jpg$/.exec(first!.key)![1])
    await server.seed(bucket, { count, prefix, suffix: '.jpg', size: first!.size, from })
  }
  const location = s3.location.parse({ bucket, endpoint: server.endpoint })
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' }
  const provider = await s3.open(location, credentials, environment)
  // Time limits too: each costs a timer for every request.
  const settings = clientConfig(location as S3Location, server.endpoint, environment.egress)
  const client = new S3Client({ ...settings, region: 'us-east-1', credentials })
  return {
    title: 'S3',
    bareTitle: { list: '@aws-sdk/client-s3: ListObjectsV2', read: '@aws-sdk/client-s3: GetObject' },
    provider,
    bareList: () => bareList(client, bucket),
    async bareRead(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      return drain(Body as Readable)
    },
    async stop() {
      client.destroy()
      await server.stop()
    },
  }
}

type Item = Record<'name' | 'size' | 'updated' | 'generation', string>

export const startGcsPeer: StartPeer = async (objects) => {
  const { child, report } = forkServer('gcs', bucket)
  child.send(objects)
  const { host, port } = await report
  const endpoint = `http://${host}:${port}`
  // Without credentials on both sides: the SDK sends none to an endpoint that is not Google's.
  const storage = new Storage({ apiEndpoint: endpoint, projectId: 'bench' })
  const bare = storage.bucket(bucket)
  return {
    title: 'GCS',
    bareTitle: { list: '@google-cloud/storage: getFiles', read: '@google-cloud/storage: createReadStream' },
    provider: await gcs.open(gcs.location.parse({ bucket, endpoint, anonymous: true }), {}, environment),
    async bareList() {
      const listed: Listed[] = []
      const fields = 'items(name,size,updated,generation),nextPageToken'
      let query: object | null = { autoPaginate: false, maxResults: pageSize, fields }
      while (query) {
        // With `fields` it gives the items of the answer as they are.
        const [files, next]: [Item[], object | null] = (await bare.getFiles(query)) as never
        for (const { name, size, updated, generation } of files) {
          listed.push({
            key: name,
            size: Number(size),
            etag: generation,
            lastModified: new Date(updated),
          })
        }
        query = next
      }
      return listed
    },
    bareRead: (key) => drain(bare.file(key).createReadStream({ validation: false, decompress: false })),
    async stop() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

export const startAzurePeer: StartPeer = async (objects) => {
  const server = await startAzure()
  const { endpoint, account, accountKey } = server
  const filler = await server.createContainer(bucket)
  const [first, ...others] = objects.filter(({ size }) => size === 0).map(({ key }) => key)
  if (first !== undefined) await server.putMany(bucket, [first, ...others])
  await inLanes(
    objects.filter(({ size }) => size > 0),
    8,
    ({ key, size }) => filler.getBlockBlobClient(key).upload(Buffer.alloc(size, 'x'), size),
  )
  const agent = new Agent(sockets)
  const options: object = { agent, retryOptions: { maxTries: 3, retryDelayInMs: 20 } }
  const credential = new StorageSharedKeyCredential(account, accountKey)
  const container = new BlobServiceClient(endpoint, credential, options).getContainerClient(bucket)
  const location = azureBlob.location.parse({ account, endpoint, container: bucket })
  return {
    title: 'Azure Blob',
    bareTitle: { list: '@azure/storage-blob: listBlobsFlat', read: '@azure/storage-blob: download' },
    provider: await azureBlob.open(location, { accountKey }, environment),
    async bareList() {
      const listed: Listed[] = []
      for await (const { segment } of container.listBlobsFlat().byPage({ maxPageSize: pageSize })) {
        for (const { name, properties } of segment.blobItems) {
          const { contentLength, etag, lastModified } = properties
          listed.push({ key: name, size: contentLength!, etag, lastModified })
        }
      }
      return listed
    },
    async bareRead(key) {
      const { readableStreamBody } = await container.getBlobClient(key).download()
      return drain(readableStreamBody as Readable)
    },
    async stop() {
      agent.destroy()
      await server.stop()
    },
  }
}

export const startRedisPeer: StartPeer = async (objects) => {
  if (!process.env.SLUICE_TEST_REDIS && spawnSync('redis-server', ['--version']).status === 0) {
    process.env.SLUICE_TEST_REDIS = 'redis-server'
  }
  const isReal = Boolean(process.env.SLUICE_TEST_REDIS)
  const forked = isReal ? undefined : forkServer('redis', bucket)
  const server = isReal ? await startRedis() : undefined
  const { host, port } = server ?? (await forked!.report)
  const client = new Redis({ host, port, protocol: 2 })
  await inLanes(objects, 64, ({ key, size }) => client.set(key, Buffer.alloc(size, 'x')))
  return {
    title: isReal ? 'Redis' : 'Redis (small emulator)',
    bareTitle: { list: 'ioredis: SCAN, STRLEN in pipelines', read: 'ioredis: GET, as a stream' },
    provider: await redis.open(redis.location.parse({ host, port }), {}, environment),
    async bareList() {
      const listed: Listed[] = []
      let cursor = '0'
      do {
        const [next, keys] = await client.scan(cursor, 'COUNT', pageSize)
        const commands = client.pipeline()
        for (const key of keys) commands.strlen(key)
        const sizes = (await commands.exec())!
        keys.forEach((key, n) => {
          listed.push({ key, size: sizes[n]![1] as number, etag: null, lastModified: null })
        })
        cursor = next
      } while (cursor !== '0')
      return listed
    },
    bareRead: async (key) => drain(streamOf((await client.getBuffer(key))!)),
    async stop() {
      client.disconnect()
      await server?.stop()
      forked?.child.disconnect()
    },
  }
}

export const startLocalPeer: StartPeer = async (objects) => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-bench-files-'))
  const folder = 'data'
  for (const dir of new Set(objects.map(({ key }) => dirname(key)))) await mkdir(join(root, dir), { recursive: true })
  await inLanes(objects, 16, ({ key, size }) => writeFile(join(root, key), Buffer.alloc(size, 'x')))
  const inside = join(await realpath(root), folder, '/')
  // As the keys below a folder sort: with its slash.
  const sortName = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name)
  const visit = async (dir: string, listed: Listed[]) => {
    const entries = await readdir(join(root, dir), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (sortName(a) < sortName(b) ? -1 : 1))) {
      const key = `${dir}/${entry.name}`
      if (entry.isDirectory()) await visit(key, listed)
      else {
        const { size, mtime, ino } = await stat(join(root, key))
        listed.push({ key, size, etag: String(ino), lastModified: mtime })
      }
    }
    return listed
  }
  return {
    title: 'Local files',
    bareTitle: {
      list: 'node:fs/promises: readdir, sorted, stat',
      read: 'node:fs/promises: realpath inside the folder, readFile, as a stream',
    },
    provider: await localFiles.open(
      localFiles.location.parse({ path: folder }),
      {},
      { ...environment, localFilesRoot: root },
    ),
    bareList: () => visit(folder, []),
    async bareRead(key) {
      const path = await realpath(join(root, key))
      if (!path.startsWith(inside)) throw new Error(`${key} leads out of the folder.`)
      return drain(streamOf(await readFile(path)))
    },
    stop: () => rm(root, { recursive: true }),
  }
}

/** Starts an emulator of ours in a process of its own; `report` resolves when it serves. */
function forkServer(kind: 'gcs' | 'redis', name: string) {
  const child = fork(new URL('./bare-server.ts', import.meta.url), [kind, name], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return { child, report: once(child, 'message').then(([report]) => report as ServerReport) }
}
