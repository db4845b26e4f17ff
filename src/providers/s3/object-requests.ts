import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { SignatureV4 } from '@smithy/signature-v4'
import type { HttpRequest } from '@smithy/types'
import { isDirectoryBucket } from './checksum.ts'
import type { S3Location } from './location.ts'
import type { Region } from './region.ts'

/** Unsigned GETs of objects of a bucket, and what signs them. */
export interface ObjectRequests {
  /** Such as `https://bucket.s3.eu-west-1.amazonaws.com`. */
  origin: string
  of(key: string, query?: Record<string, string>): HttpRequest
  signer: SignatureV4
}

/**
 * Where the SDK would ask for objects of `bucket` in the present region, found out once by having it sign a URL: its rules are many
 * (AWS SDK, "Endpoint resolution"), and to follow them for each request costs several times what signing does. Undefined where
 * a bucket is none of the plain kind: access points and directory buckets are signed in other ways.
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

/** As in paths that are signed (Amazon S3, "Signature calculations": `UriEncode`, all but unreserved characters and `/`). */
const encodeKey = (key: string) => key.split('/').map(encodePart).join('/')

/** All but unreserved characters percent-encoded (RFC 3986 §2.3). */
export const encodePart = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
