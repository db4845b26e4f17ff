import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { SignatureV4 } from '@smithy/signature-v4'
import { isDirectoryBucket } from './checksum.ts'
import type { S3Location } from './location.ts'
import type { Region } from './region.ts'

type HttpRequest = Parameters<SignatureV4['presign']>[0]

/** Builds unsigned GET requests for the objects of a bucket, and holds their signer. */
export interface ObjectRequests {
  /** For example `https://bucket.s3.eu-west-1.amazonaws.com`. */
  origin: string
  of(key: string, query?: Record<string, string>): HttpRequest
  signer: SignatureV4
}

/**
 * Finds out, once per region, where the SDK sends requests for objects of `bucket`, by letting it sign a URL. Applying its many
 * rules (AWS SDK, "Endpoint resolution") to each request would cost several times as much as signing. Gives undefined for
 * access points and directory buckets, whose requests are signed in other ways.
 */
export function createObjectRequests(
  client: S3Client,
  { place, region }: { place: S3Location; region: Pick<Region, 'current'> },
): () => Promise<ObjectRequests | undefined> {
  const { bucket } = place
  if (!/^[\w.-]+$/.test(bucket) || isDirectoryBucket(bucket)) return async () => undefined
  const known = new Map<string, ObjectRequests>()
  return async () => {
    const { current } = region
    const requests = known.get(current) ?? (await find(client, place))
    if (region.current === current) known.set(current, requests)
    return requests
  }
}

async function find(client: S3Client, { bucket: Bucket, requestPayer }: S3Location): Promise<ObjectRequests> {
  const { protocol, hostname, port, host, origin, pathname } = new URL(
    await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'k' })),
  )
  const root = pathname.slice(0, -1)
  const { credentials, region, sha256 } = client.config
  return {
    origin,
    signer: new SignatureV4({ credentials, region, sha256, service: 's3', uriEscapePath: false, applyChecksum: false }),
    of: (key, query = {}) => ({
      ...{ method: 'GET', protocol, hostname, path: root + encodeKey(key), query },
      ...(port !== '' && { port: Number(port) }),
      headers: {
        host,
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
        ...(requestPayer && { 'x-amz-request-payer': 'requester' }),
      },
    }),
  }
}

/**
 * Encodes a key as in signed paths (Amazon S3, "Signature calculations": `UriEncode`, all but unreserved characters and `/`).
 */
const encodeKey = (key: string) => key.split('/').map(encodePart).join('/')

/** Percent-encodes all but unreserved characters (RFC 3986 §2.3). */
export const encodePart = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
