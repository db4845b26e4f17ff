import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { ProviderName } from '../../src/providers/registry.ts'
import { startAzure } from './azure.ts'
import { type AzureFault, startAzureFront } from './azure-front.ts'
import { environment } from './egress.ts'
import { startGcs } from './gcs.ts'
import type { GcsFault } from './gcs-faults.ts'
import type { RedisFault } from './redis-faults.ts'
import { startSmallRedis } from './redis-small.ts'
import { startS3 } from './s3.ts'
import { type Fault as S3Fault, startFront } from './s3-front.ts'
import { startTap, type Tap } from './tap.ts'

/** What a storage may answer instead of an object, whatever its kind. */
export type Refusal = 'bad credentials' | 'denied' | 'busy' | 'redirects to itself'

/** A storage of one kind, whose keys begin with `in/`. */
export interface StorageOfKind {
  /** What its URIs begin with, before the key. */
  uri: string
  /** The location input. */
  location: Record<string, unknown>
  /** Proxy in front of the server. Absent for kinds without a proxy. */
  tap?: Tap
  put(key: string, body: string | Uint8Array, contentEncoding?: string): Promise<void>
  remove(key: string): Promise<void>
  /** From now on answers so, until the answer to this is called; absent where the kind has no such answer. */
  refuse: Partial<Record<Refusal, () => () => void>>
  /** From now on answers each listing so; absent where the kind lists in no single response. */
  listInstead?(answer: { type: string; body: string }): void
  stop(): Promise<void>
}

const always = { times: Infinity }
const loop = { answer: { status: 302, headers: { location: '/loop' }, body: 'secret words' } }

/** Starts a storage of a kind; `localRoot` is where local files may lie. */
export const storageKinds: Record<ProviderName, (localRoot: string) => Promise<StorageOfKind>> = {
  async S3() {
    const server = await startS3()
    await server.createBucket('bucket')
    const front = await startFront({ target: server.endpoint })
    const tap = await startTap(front.port)
    const keys = { accessKeyId: 'key', secretAccessKey: 'secret' }
    const endpoint = `http://127.0.0.1:${tap.port}`
    const refuse = (fault: S3Fault) => () => front.fail({ ...always, ...fault }).release
    return {
      uri: 's3://bucket/',
      location: { s3: { bucket: 'bucket', prefix: 'in/', endpoint, ...keys } },
      tap,
      async put(Key, body, ContentEncoding) {
        const Body = Buffer.from(body)
        await server.client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body, ContentEncoding }))
      },
      async remove(Key) {
        await server.client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key }))
      },
      refuse: {
        'bad credentials': refuse({ status: 403, code: 'InvalidAccessKeyId' }),
        denied: refuse({ status: 403, code: 'AccessDenied' }),
        busy: refuse({ status: 503, code: 'SlowDown' }),
        'redirects to itself': refuse(loop),
      },
      async stop() {
        await tap.stop()
        await front.stop()
        await server.stop()
      },
    }
  },
  async GCS() {
    const server = await startGcs()
    server.createBucket('bucket')
    const tap = await startTap(server.port)
    const endpoint = `http://127.0.0.1:${tap.port}`
    const serviceAccountJson = server.newAccount().keyFile
    const refuse = (fault: GcsFault) => () =>
      server.fail({ ...always, match: ({ operation }) => operation !== 'token', ...fault }).release
    return {
      uri: 'gs://bucket/',
      location: { gcs: { bucket: 'bucket', prefix: 'in/', endpoint, serviceAccountJson } },
      tap,
      async put(key, body, contentEncoding) {
        server.put('bucket', key, body, contentEncoding === undefined ? {} : { contentEncoding })
      },
      remove: async (key) => server.remove('bucket', key),
      listInstead({ type, body }) {
        const answer = { status: 200, headers: { 'content-type': type }, body }
        server.fail({ ...always, answer, match: ({ operation }) => operation === 'objects.list' })
      },
      refuse: {
        'bad credentials': refuse({ status: 401, reason: 'authError' }),
        denied: refuse({ status: 403, reason: 'forbidden' }),
        busy: refuse({ status: 429, reason: 'rateLimitExceeded' }),
        'redirects to itself': refuse(loop),
      },
      async stop() {
        await tap.stop()
        await server.stop()
      },
    }
  },
  async AZURE_BLOB() {
    const server = await startAzure()
    const container = await server.createContainer('bucket')
    const front = await startAzureFront(server.endpoint)
    const tap = await startTap(front.port)
    const { account, accountKey } = server
    const endpoint = `http://127.0.0.1:${tap.port}/${account}`
    const refuse = (fault: AzureFault) => () => front.fail({ ...always, ...fault }).release
    return {
      uri: 'azure-blob://bucket/',
      location: { azureBlob: { container: 'bucket', prefix: 'in/', account, endpoint, accountKey } },
      tap,
      async put(key, body, blobContentEncoding) {
        const bytes = Buffer.from(body)
        const blobHTTPHeaders = blobContentEncoding === undefined ? {} : { blobContentEncoding }
        await container.getBlockBlobClient(key).upload(bytes, bytes.length, { blobHTTPHeaders })
      },
      async remove(key) {
        await container.deleteBlob(key)
      },
      listInstead({ type, body }) {
        const answer = { status: 200, headers: { 'content-type': type }, body }
        front.fail({ ...always, answer, match: ({ url }) => url!.includes('comp=list') })
      },
      refuse: {
        'bad credentials': refuse({ status: 403, code: 'AuthenticationFailed' }),
        denied: refuse({ status: 403, code: 'AuthorizationPermissionMismatch' }),
        busy: refuse({ status: 503, code: 'ServerBusy' }),
        'redirects to itself': refuse(loop),
      },
      async stop() {
        await tap.stop()
        await front.stop()
        await server.stop()
      },
    }
  },
  async REDIS() {
    const server = await startSmallRedis()
    const tap = await startTap(server.port)
    const { redis } = await import('../../src/providers/redis/kind.ts')
    const { host } = server
    const place = await redis.open(
      redis.location.parse({ host, port: server.port, db: 1, tls: false }),
      {},
      environment,
    )
    const refuse = (fault: RedisFault) => () =>
      server.fail({ ...always, match: ({ name }) => name === 'getrange', ...fault }).release
    return {
      uri: `redis://${host}:${tap.port}:1/`,
      location: { redis: { host, port: tap.port, db: 1, path: 'in/', tls: false } },
      tap,
      put: (key, body) => place.write(key, Buffer.from(body)),
      remove: (key) => place.remove(key),
      refuse: {
        'bad credentials': refuse({ error: 'NOAUTH Authentication required.' }),
        denied: refuse({ error: 'NOPERM this user has no permissions' }),
        busy: refuse({ error: 'BUSY Redis is busy running a script, no permissions' }),
      },
      async stop() {
        place.close()
        await tap.stop()
        await server.stop()
      },
    }
  },
  async LOCAL_FILES(localRoot) {
    return {
      uri: 'local-files:///',
      location: { localFiles: { path: 'in' } },
      async put(key, body) {
        const path = join(localRoot, key)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, body)
      },
      remove: async (key) => rmSync(join(localRoot, key)),
      refuse: {},
      stop: async () => {},
    }
  },
}

/** The kinds, and those of them that are reached over the network. */
export const kindNames = Object.keys(storageKinds) as ProviderName[]
export const networkKinds = kindNames.filter((name) => name !== 'LOCAL_FILES')
