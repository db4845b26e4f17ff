import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import { SluiceError } from '../../errors.ts'
import { orAbort } from '../../or-abort.ts'
import type { Egress } from '../../security/egress.ts'
import { hasChecksum, md5Of } from '../checksum.ts'
import { partOf } from '../content-range.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { isNoAnswer } from '../kit/no-answer.ts'
import { rangeHeader } from '../kit/range-header.ts'
import { clockSettler, createServerClock } from '../kit/server-clock.ts'
import { noPace } from '../pace.ts'
import type { ObjectBody, Provider } from '../provider.ts'
import { isDirectoryBucket, s3Checksum } from './checksum.ts'
import { clientConfig } from './client-config.ts'
import { credentialsConfig } from './credentials.ts'
import { createDirectReads, encodingOf } from './direct-read.ts'
import { s3Error } from './error.ts'
import { setUserAgent } from './limited-handler.ts'
import { listCommand, listPage } from './list.ts'
import { listingOfAnswers } from './list-answer.ts'
import type { S3Location, S3Secrets } from './location.ts'
import { createObjectRequests } from './object-requests.ts'
import { presignGet } from './presign.ts'
import { createPut } from './put.ts'
import { createRegion } from './region.ts'
import { isCorrected, renewSession, withCorrections } from './repeat.ts'
import { timeOfAnswers } from './server-time.ts'

/** Opens a bucket. SDK requests share one client and its sockets. Reads first try `createDirectReads`, with its own sockets. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods of a provider share its client, and each is short
export function openS3(place: S3Location, secrets: S3Secrets, egress: Egress, pace = noPace): Provider {
  const region = createRegion(place)
  const clock = createServerClock()
  const newClient = (endpoint: string | undefined, credentials: ReturnType<typeof credentialsConfig>) => {
    const made = new S3Client({
      ...clientConfig(place, endpoint, egress, { clock, pace }),
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
  /** Parameters of every request. */
  const about = { Bucket, ...(place.requestPayer && { RequestPayer: 'requester' as const }) }
  const requests = createObjectRequests(client, { place, region })
  const publicRequests = publicClient === client ? requests : createObjectRequests(publicClient, { place, region })
  const direct = createDirectReads(requests, { place, region, clock, egress, pace })
  const encryption = encryptionOf(place)
  const put = createPut(client)

  /** Calls `send`, and retries after a refusal that shows what to correct: region, clock or session. */
  const call = async <T>(key: string | undefined, signal: AbortSignal | undefined, send: () => Promise<T>) => {
    const once = () => orAbort(send(), signal)
    const used = { region: region.current, offsetMs: client.config.systemClockOffset }
    try {
      const answer = await withCorrections(once, [
        (error) => region.adopt(error, used.region),
        () => isCorrected(client, used.offsetMs),
        (error) => renewSession(client, error),
      ])
      region.confirm()
      return answer
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw s3Error(error, { place, key })
    }
  }

  const page = (cursor: string | null, limit: number, recursive: boolean, signal?: AbortSignal) =>
    call(undefined, signal, async () => {
      const command = listCommand(place, { cursor, limit, recursive })
      const listingOf = listingOfAnswers(command, limit)
      const listing = listingOf(await client.send(command, abortable(signal)))
      // A website may answer 200 with a page that parses as XML.
      if (listing.name === undefined && listing.isTruncated === undefined) throw new SluiceError('CONSOLE_URL')
      return listing
    })

  /** Finds the region before the first presigned URL, because a client cannot retry a URL with another region. */
  const askRegion = async () => {
    try {
      // Not HeadBucket: some servers name the region only in the body.
      await page(null, 1, true)
    } catch (error) {
      // The credentials may permit reading without listing. A refusal that names no other region speaks for the current one.
      if (isNoAnswer(error)) throw error
      region.confirm()
    }
  }
  let pending: Promise<void> | undefined
  const settleClock = clockSettler(clock, () => page(null, 1, true))
  const settleRegion = async () => {
    if (region.isKnown) return
    pending ??= askRegion().finally(() => {
      pending = undefined
    })
    await pending
  }

  return {
    // Amazon S3, "Listing object keys programmatically". Directory buckets list in no order.
    ...(!isDirectory && { ordered: true, keyCursor: true }),

    async check(signal) {
      await page(null, 1, true, signal)
    },

    list: ({ cursor, limit, recursive, signal }) =>
      listPage(place, { cursor, limit }, (keys) => page(cursor, keys, recursive, signal)),

    async read(key, { range, ifMatch, signal } = {}): Promise<ObjectBody> {
      const opened = await direct.read(key, { range: range && rangeHeader(range), ifMatch, signal })
      if (opened) return opened
      const answer = await call(key, signal, () =>
        client.send(
          new GetObjectCommand({
            ...about,
            Key: key,
            ...(range && { Range: rangeHeader(range) }),
            ...(ifMatch && { IfMatch: ifMatch }),
          }),
          abortable(signal),
        ),
      )
      const { ContentLength: length } = answer
      if (length === undefined)
        throw new SluiceError('UNEXPECTED_ANSWER', 'The storage does not return the length of an object.')
      const body = answer.Body as Readable
      const response = { status: answer.$metadata.httpStatusCode ?? 200, contentRange: answer.ContentRange }
      const part = partOf(response, { isRanged: range !== undefined, length, body })
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
        client.send(new HeadObjectCommand({ ...about, Key: key }), abortable(signal)),
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
      // Object Lock with a default retention requires a checksum (PutObject). On AWS the SDK adds one. All compatible services
      // know MD5.
      const digest = place.endpoint ? { ContentMD5: md5Of(body) } : {}
      const requested = { ...about, Key: key, Body: body, ContentType: contentType, ...encryption, ...digest }
      const answer = await call(key, signal, () => put(new PutObjectCommand(requested), signal))
      // Some servers do not compare the checksum of the request with the body.
      const stored = s3Checksum(checksumHeaders(answer), { isDirectory })
      if (stored && !(await hasChecksum(body, stored))) throw new SluiceError('CHECKSUM_MISMATCH')
    },

    async remove(key, signal) {
      await call(key, signal, () => client.send(new DeleteObjectCommand({ ...about, Key: key }), abortable(signal)))
    },

    async presign(key, { ttlSeconds }) {
      await settleRegion()
      await settleClock()
      return call(key, undefined, async () =>
        presignGet(publicClient, { place, requests: await publicRequests(), now: clock.now() }, { key, ttlSeconds }),
      )
    },

    async serverTime(signal) {
      const command = listCommand(place, { cursor: null, limit: 1, recursive: true })
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

/** The headers that show whether the ETag is a checksum, from the SDK's output. */
const checksumHeaders = (answer: GetObjectCommandOutput | PutObjectCommandOutput) => ({
  etag: answer.ETag,
  'x-amz-server-side-encryption': answer.ServerSideEncryption,
  'x-amz-server-side-encryption-customer-algorithm': answer.SSECustomerAlgorithm,
})

/** Encryption parameters of a written object (Amazon S3 API, PutObject, `x-amz-server-side-encryption`). */
function encryptionOf({ serverSideEncryption, kmsKeyId }: S3Location) {
  if (kmsKeyId || serverSideEncryption === 'KMS') {
    return { ServerSideEncryption: 'aws:kms', ...(kmsKeyId && { SSEKMSKeyId: kmsKeyId }) } as const
  }
  return serverSideEncryption === 'AES256' ? ({ ServerSideEncryption: 'AES256' } as const) : {}
}

const abortable = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {})
