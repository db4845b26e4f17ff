import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { SluiceError } from '../../errors.ts'
import { contentTypeOf } from '../content-type.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { compareKeys } from '../key-order.ts'
import type { ByteRange, ObjectBody, Provider } from '../provider.ts'
import { s3Error } from './error.ts'
import type { S3Location, S3Secrets } from './location.ts'

// Sorts behind every key that continues a folder's name, so a listing that starts after it skips the folder.
const behindFolder = '\u{10ffff}'

/** Opens a bucket. One client, and one pool of sockets, serves all reads. */
export function openS3(place: S3Location, secrets: S3Secrets): Provider {
  const client = new S3Client(clientConfig(place, secrets, place.endpoint))
  const publicClient =
    place.publicEndpoint && place.publicEndpoint !== place.endpoint
      ? new S3Client(clientConfig(place, secrets, place.publicEndpoint))
      : client
  const Bucket = place.bucket

  const call = async <T>(key: string | undefined, signal: AbortSignal | undefined, send: () => Promise<T>) => {
    try {
      return await send()
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw s3Error(error, { place, key })
    }
  }

  const page = (cursor: string | null, limit: number, recursive: boolean, signal?: AbortSignal) =>
    call(undefined, signal, async () => {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: recursive ? place.prefix : folderOf(place.prefix),
          MaxKeys: limit,
          EncodingType: 'url',
          ...(cursor !== null && { StartAfter: cursor }),
          ...(!recursive && { Delimiter: '/' }),
        }),
        abortable(signal),
      )
      // A website may well answer 200 with a page that parses as XML.
      if (answer.Name === undefined && answer.IsTruncated === undefined) throw new SluiceError('CONSOLE_URL')
      return answer
    })

  return {
    async check(signal) {
      await page(null, 1, true, signal)
    },

    async list({ cursor, limit, recursive, signal }) {
      const answer = await page(cursor, limit, recursive, signal)
      const decode = answer.EncodingType === 'url' ? decodeKey : (key: string) => key
      const objects = (answer.Contents ?? []).map((object) => ({
        key: decode(object.Key!),
        size: object.Size ?? 0,
        etag: object.ETag ?? null,
        lastModified: object.LastModified ?? null,
      }))
      if (!answer.IsTruncated) return { objects, cursor: null }
      const lastKey = objects.at(-1)?.key ?? ''
      const lastFolder = decode(answer.CommonPrefixes?.at(-1)?.Prefix ?? '')
      const last = compareKeys(lastFolder, lastKey) > 0 ? lastFolder + behindFolder : lastKey
      if (!last || last === cursor) {
        throw new SluiceError('UNEXPECTED_ANSWER', 'The listing says that it goes on, but does not.')
      }
      return { objects, cursor: last }
    },

    async read(key, { range, ifMatch, signal } = {}): Promise<ObjectBody> {
      const answer = await call(key, signal, () =>
        client.send(
          new GetObjectCommand({
            Bucket,
            Key: key,
            ...(range && { Range: rangeHeader(range) }),
            ...(ifMatch && { IfMatch: ifMatch }),
          }),
          abortable(signal),
        ),
      )
      const length = answer.ContentLength ?? 0
      const part = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '')
      return {
        body: endOnAbort(answer.Body as Readable, signal),
        length,
        size: part ? Number(part[3]) : length,
        ...(part && { range: { start: Number(part[1]), end: Number(part[2]) } }),
        etag: answer.ETag ?? null,
        lastModified: answer.LastModified ?? null,
        contentType: answer.ContentType ?? null,
      }
    },

    async write(key, body, { contentType, signal } = {}) {
      await call(key, signal, () =>
        client.send(
          new PutObjectCommand({ Bucket, Key: key, Body: body, ContentType: contentType }),
          abortable(signal),
        ),
      )
    },

    async remove(key, signal) {
      await call(key, signal, () => client.send(new DeleteObjectCommand({ Bucket, Key: key }), abortable(signal)))
    },

    async presign(key, { ttlSeconds }) {
      const command = new GetObjectCommand({ Bucket, Key: key, ResponseContentType: contentTypeOf(key) })
      return call(
        key,
        undefined,
        async () => new URL(await getSignedUrl(publicClient, command, { expiresIn: ttlSeconds })),
      )
    },

    close() {
      client.destroy()
      if (publicClient !== client) publicClient.destroy()
    },
  }
}

function clientConfig(place: S3Location, secrets: S3Secrets, endpoint: string | undefined): S3ClientConfig {
  const { accessKeyId, secretAccessKey, sessionToken } = secrets
  const agent = { keepAlive: true, maxSockets: 512 }
  return {
    region: place.region === 'AUTO' ? 'us-east-1' : place.region,
    followRegionRedirects: place.region === 'AUTO' && !endpoint,
    ...(endpoint && {
      endpoint,
      // Compatible services refuse the checksum trailers that AWS wants by default.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
    forcePathStyle: place.addressing === 'AUTO' ? Boolean(endpoint) : place.addressing === 'PATH',
    ...(accessKeyId &&
      secretAccessKey && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
    ...(place.anonymous && {
      credentials: { accessKeyId: '', secretAccessKey: '' },
      signer: { sign: async (request) => request },
    }),
    maxAttempts: 4,
    requestHandler: new NodeHttpHandler({
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
      connectionTimeout: 5_000,
      requestTimeout: 60_000,
      throwOnRequestTimeout: true,
    }),
  }
}

/**
 * Keys come percent-encoded with `+` for a space (EncodingType=url of ListObjectsV2), so that XML can carry any of them.
 * A server that does not know this leaves EncodingType out of its answer.
 */
const decodeKey = (key: string) => decodeURIComponent(key.replaceAll('+', ' '))

const folderOf = (prefix: string) => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`)

const rangeHeader = (range: ByteRange) =>
  'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end ?? ''}`

const abortable = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {})
