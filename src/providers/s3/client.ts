import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import { type ErrorCode, SluiceError } from '../../errors.ts'
import { orAbort } from '../../or-abort.ts'
import type { Egress } from '../../security/egress.ts'
import { partOf } from '../content-range.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { compareKeys } from '../key-order.ts'
import { hasChecksum, md5Of } from '../kit/checksum.ts'
import { percentDecoded, textBefore } from '../kit/key-bytes.ts'
import { listSmaller } from '../kit/smaller-page.ts'
import type { ObjectBody, Provider } from '../provider.ts'
import { isDirectoryBucket, s3Checksum } from './checksum.ts'
import { clientConfig } from './client-config.ts'
import { credentialsConfig } from './credentials.ts'
import { createDirectReads, encodingOf, rangeHeader } from './direct-read.ts'
import { s3Error } from './error.ts'
import { setUserAgent } from './limited-handler.ts'
import { listingOfAnswers } from './list-answer.ts'
import type { S3Location, S3Secrets } from './location.ts'
import { createObjectRequests } from './object-requests.ts'
import { presignGet } from './presign.ts'
import { createPut } from './put.ts'
import { createRegion } from './region.ts'
import { timeOfAnswers } from './server-time.ts'

// Sorts behind every key that continues a folder's name, so a listing that starts after it skips the folder.
const behindFolder = '\u{10ffff}'

const noAnswer = new Set<ErrorCode>([
  'CONNECTION_REFUSED',
  'UNRESOLVABLE_HOST',
  'TLS_FAILED',
  'TIMEOUT',
  'UNREACHABLE',
  'THROTTLED',
])

/** Opens a bucket. One client, and one pool of sockets, serves all reads. */
export function openS3(place: S3Location, secrets: S3Secrets, egress: Egress): Provider {
  const region = createRegion(place)
  const newClient = (endpoint: string | undefined, credentials: ReturnType<typeof credentialsConfig>) => {
    const made = new S3Client({
      ...clientConfig(place, endpoint, egress),
      ...credentials,
      region: async () => region.current,
    })
    setUserAgent(made)
    return made
  }
  const client = newClient(place.endpoint, credentialsConfig(place, secrets, egress))
  const publicClient =
    place.publicEndpoint && place.publicEndpoint !== place.endpoint
      ? newClient(place.publicEndpoint, { credentials: client.config.credentials })
      : client
  const Bucket = place.bucket
  const isDirectory = isDirectoryBucket(Bucket)
  const requests = createObjectRequests(client, { bucket: Bucket, region })
  const publicRequests =
    publicClient === client ? requests : createObjectRequests(publicClient, { bucket: Bucket, region })
  const direct = createDirectReads(requests, { client, place, region, egress })
  const encryption = encryptionOf(place)
  const put = createPut(client)

  /** Sends a request made by `send`; once more if the refusal names another region. */
  const call = async <T>(key: string | undefined, signal: AbortSignal | undefined, send: () => Promise<T>) => {
    const once = () => orAbort(send(), signal)
    const used = region.current
    try {
      const answer = await once().catch((error) => {
        if (region.learn(error, used)) return once()
        throw error
      })
      region.confirm()
      return answer
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw s3Error(error, { place, key })
    }
  }

  const listCommand = (cursor: string | null, limit: number, recursive: boolean) =>
    new ListObjectsV2Command({
      Bucket,
      Prefix: recursive ? place.prefix : folderOf(place.prefix),
      MaxKeys: limit,
      EncodingType: 'url',
      ...(cursor !== null && { StartAfter: cursor }),
      ...(!recursive && { Delimiter: '/' }),
    })

  const page = (cursor: string | null, limit: number, recursive: boolean, signal?: AbortSignal) =>
    call(undefined, signal, async () => {
      const command = listCommand(cursor, limit, recursive)
      const listingOf = listingOfAnswers(command, limit)
      const listing = listingOf(await client.send(command, abortable(signal)))
      // A website may well answer 200 with a page that parses as XML.
      if (listing.name === undefined && listing.isTruncated === undefined) throw new SluiceError('CONSOLE_URL')
      return listing
    })

  /** A URL cannot be repeated with another region, so that is asked for first. */
  const askRegion = async () => {
    try {
      // Not HeadBucket, since some servers name the region in the body only.
      await page(null, 1, true)
    } catch (error) {
      // Whoever may read need not be allowed to list, and a refusal that names no other region is one
      // more reason to stay with this.
      if (error instanceof SluiceError && noAnswer.has(error.code)) throw error
      region.confirm()
    }
  }
  let asking: Promise<void> | undefined
  const settleRegion = async () => {
    if (region.isKnown) return
    asking ??= askRegion().finally(() => {
      asking = undefined
    })
    await asking
  }

  return {
    // Amazon S3, "Listing object keys programmatically"; not so in directory buckets, of which this is the suffix.
    ...(!isDirectory && { ordered: true, keyCursor: true }),

    async check(signal) {
      await page(null, 1, true, signal)
    },

    async list({ cursor, limit, recursive, signal }) {
      const startAfter = cursor === null ? null : textBefore(cursor)
      const {
        objects: listed,
        isTruncated,
        lastFolder,
        encoding,
      } = await listSmaller(limit, (keys) => page(startAfter, keys, recursive, signal))
      const decode = encoding === 'url' ? decodeKey : (key: string) => key
      for (const object of listed) object.key = decode(object.key)
      const objects = startAfter === cursor ? listed : listed.filter(({ key }) => compareKeys(key, cursor!) > 0)
      if (!isTruncated) return { objects, cursor: null }
      const lastKey = listed.at(-1)?.key ?? ''
      const behind = lastFolder ? decode(lastFolder) + behindFolder : ''
      const last = compareKeys(behind, lastKey) > 0 ? behind : lastKey
      if (!last || last === cursor || (startAfter !== cursor && compareKeys(last, cursor!) <= 0)) {
        throw new SluiceError('UNEXPECTED_ANSWER', 'The listing says that it goes on, but does not.')
      }
      return { objects, cursor: last }
    },

    async read(key, { range, ifMatch, signal } = {}): Promise<ObjectBody> {
      const opened = await direct.read(key, { range: range && rangeHeader(range), ifMatch, signal })
      if (opened) return opened
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
      const { ContentLength: length } = answer
      if (length === undefined)
        throw new SluiceError('UNEXPECTED_ANSWER', 'The storage does not tell how long an object is.')
      const body = answer.Body as Readable
      const said = { status: answer.$metadata.httpStatusCode ?? 200, contentRange: answer.ContentRange }
      const part = partOf(said, { isRanged: range !== undefined, length, body })
      return {
        body: endOnAbort(body, signal),
        length,
        ...part,
        etag: answer.ETag ?? null,
        lastModified: answer.LastModified ?? null,
        contentType: answer.ContentType ?? null,
        ...encodingOf(answer.ContentEncoding),
        checksum: () => s3Checksum(checksumHeaders(answer), { isDirectory }),
      }
    },

    async head(key, signal) {
      const answer = await call(key, signal, () =>
        client.send(new HeadObjectCommand({ Bucket, Key: key }), abortable(signal)),
      )
      return {
        size: answer.ContentLength ?? 0,
        etag: answer.ETag ?? null,
        lastModified: answer.LastModified ?? null,
        contentType: answer.ContentType ?? null,
        ...encodingOf(answer.ContentEncoding),
      }
    },

    async write(key, body, { contentType, signal } = {}) {
      // To AWS, the SDK sends a checksum of its own.
      const digest = place.endpoint ? { ContentMD5: md5Of(body) } : {}
      const asked = { Bucket, Key: key, Body: body, ContentType: contentType, ...encryption, ...digest }
      const answer = await call(key, signal, () => put(new PutObjectCommand(asked), signal))
      // There are servers that do not compare what was sent.
      const stored = s3Checksum(checksumHeaders(answer), { isDirectory })
      if (stored && !(await hasChecksum(body, stored))) throw new SluiceError('CHECKSUM_MISMATCH')
    },

    async remove(key, signal) {
      await call(key, signal, () => client.send(new DeleteObjectCommand({ Bucket, Key: key }), abortable(signal)))
    },

    async presign(key, { ttlSeconds }) {
      await settleRegion()
      return call(key, undefined, async () =>
        presignGet(publicClient, { place, requests: await publicRequests() }, { key, ttlSeconds }),
      )
    },

    async serverTime(signal) {
      const command = listCommand(null, 1, true)
      const time = timeOfAnswers(command)
      await call(undefined, signal, () => client.send(command, abortable(signal)))
      return time()
    },

    close() {
      direct.close()
      client.destroy()
      if (publicClient !== client) publicClient.destroy()
    },
  }
}

/** What the SDK has made of the headers that say whether the ETag is a checksum. */
const checksumHeaders = (answer: GetObjectCommandOutput | PutObjectCommandOutput) => ({
  etag: answer.ETag,
  'x-amz-server-side-encryption': answer.ServerSideEncryption,
  'x-amz-server-side-encryption-customer-algorithm': answer.SSECustomerAlgorithm,
})

/** How a written object is to be encrypted (Amazon S3 API, PutObject, `x-amz-server-side-encryption`). */
function encryptionOf({ serverSideEncryption, kmsKeyId }: S3Location) {
  if (kmsKeyId || serverSideEncryption === 'KMS') {
    return { ServerSideEncryption: 'aws:kms', ...(kmsKeyId && { SSEKMSKeyId: kmsKeyId }) } as const
  }
  return serverSideEncryption === 'AES256' ? ({ ServerSideEncryption: 'AES256' } as const) : {}
}

/**
 * Keys come percent-encoded with `+` for a space (EncodingType=url of ListObjectsV2), so that XML can carry any of them; most hold
 * nothing that was encoded. A server that does not know this leaves EncodingType out of its answer. Servers that keep objects as
 * files list names that are not UTF-8.
 */
function decodeKey(key: string): string {
  if (!/[%+]/.test(key)) return key
  const decoded = percentDecoded(key.replaceAll('+', ' '))
  if (decoded !== undefined) return decoded
  throw new SluiceError('UNEXPECTED_ANSWER', 'The listing holds a key that is not encoded as it says.')
}

const folderOf = (prefix: string) => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`)

const abortable = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {})
