import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { Fill, Order, Report, Seed } from './s3-process.ts'

/** A running S3 emulator. It accepts any credentials; put a front before it to have them checked. */
export interface S3Server {
  /** Such as `http://127.0.0.1:4566`. */
  endpoint: string
  port: number
  /** Speaks to the server directly. */
  client: S3Client
  createBucket(name: string): Promise<void>
  put(bucket: string, key: string, body: string | Uint8Array, contentType?: string): Promise<void>
  /** Puts many objects over HTTP, `concurrency` at a time. */
  putMany(
    bucket: string,
    entries: Iterable<{ key: string; body: string | Uint8Array }>,
    concurrency?: number,
  ): Promise<void>
  /** Makes many objects inside the server's process: some 100,000 a second. */
  seed(bucket: string, options: Seed): Promise<void>
  /** Makes these objects inside the server's process. */
  fill(bucket: string, objects: Iterable<{ key: string; body: string | Uint8Array }>): Promise<void>
  /** Resolves when the process has ended; its objects are gone with it. */
  stop(): Promise<void>
}

/**
 * Starts an S3 emulator in a process of its own, which ends with this one at the latest. `port` 0 is any free one; rejects
 * when the port is taken.
 */
export async function startS3({ port: wanted = 0 }: { port?: number } = {}): Promise<S3Server> {
  const child = fork(new URL('./s3-process.ts', import.meta.url), [String(wanted)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const { port } = (await nextReport(child, (report) => 'port' in report)) as { port: number }
  child.unref()
  child.channel?.unref()

  const endpoint = `http://127.0.0.1:${port}`
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // The emulator has no sessions.
    disableS3ExpressSessionAuth: true,
  })
  let orders = 0
  const send = async (bucket: string, what: { seed: Seed } | { fill: Fill }) => {
    const id = ++orders
    child.send({ id, bucket, ...what } satisfies Order)
    child.channel?.ref()
    const report = await nextReport(child, (report) => 'id' in report && report.id === id)
    child.channel?.unref()
    if ('error' in report) throw new Error(report.error)
  }

  const put: S3Server['put'] = async (Bucket, Key, body, ContentType) => {
    // Bytes, since the client takes an empty string for a stream of unknown length.
    const Body = Buffer.from(body)
    await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentType }))
  }

  return {
    endpoint,
    port,
    client,
    put,
    async createBucket(Bucket) {
      // The SDK writes the path of a directory bucket with a slash more.
      if (Bucket.endsWith('--x-s3')) await fetch(`${endpoint}/${Bucket}`, { method: 'PUT' })
      else await client.send(new CreateBucketCommand({ Bucket }))
    },
    async putMany(bucket, entries, concurrency = 32) {
      const rest = entries[Symbol.iterator]()
      const worker = async () => {
        for (let next = rest.next(); !next.done; next = rest.next()) await put(bucket, next.value.key, next.value.body)
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
    },
    seed: (bucket, seed) => send(bucket, { seed }),
    async fill(bucket, objects) {
      const fill = Array.from(objects, ({ key, body }) => ({ key, body: Buffer.from(body).toString('base64') }))
      await send(bucket, { fill })
    },
    async stop() {
      client.destroy()
      child.ref()
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

/** The first message that fits. Rejects when the process ends first. */
function nextReport(child: ChildProcess, fits: (report: Report) => boolean): Promise<Report> {
  const { promise, resolve, reject } = Promise.withResolvers<Report>()
  const listen = (report: unknown) => fits(report as Report) && settle(() => resolve(report as Report))
  const fail = (code: number | null) => settle(() => reject(new Error(`The S3 emulator has ended with code ${code}.`)))
  const settle = (then: () => void) => {
    child.off('message', listen).off('exit', fail)
    then()
  }
  child.on('message', listen).on('exit', fail)
  return promise
}
