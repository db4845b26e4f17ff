import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { SluiceError } from '../../errors.ts'
import { contentTypeOf } from '../content-type.ts'
import type { S3Location } from './location.ts'
import { encodePart, type ObjectRequests } from './object-requests.ts'

/**
 * A presigned URL for a GET of the object at the endpoint of `client`, valid for `ttlSeconds` or until the session expires
 * whose credentials sign it. Browsers may cache the object as long. An anonymous storage gets the plain URL. `requests` belong
 * to `client`; without them the SDK signs. `now` is the storage's time, in milliseconds since 1970.
 */
export async function presignGet(
  client: S3Client,
  { place, requests, now }: { place: S3Location; requests: ObjectRequests | undefined; now: number },
  { key, ttlSeconds }: { key: string; ttlSeconds: number },
): Promise<URL> {
  const payer = place.requestPayer && { RequestPayer: 'requester' as const }
  const requested = { Bucket: place.bucket, Key: key, ...payer }
  if (place.anonymous) {
    const url = new URL(await getSignedUrl(client, new GetObjectCommand(requested)))
    url.search = ''
    return url
  }
  const { expiration } = await client.config.credentials()
  const leftSeconds = expiration ? Math.floor((expiration.getTime() - now) / 1000) : Infinity
  if (leftSeconds < 1) throw new SluiceError('BAD_CREDENTIALS', 'The temporary credentials have expired.')
  const expiresIn = Math.min(ttlSeconds, leftSeconds)
  const options = { expiresIn, signingDate: new Date(now) }
  const type = contentTypeOf(key)
  const cacheControl = `private, max-age=${expiresIn}`
  if (!requests) {
    const overrides = { ResponseContentType: type, ResponseCacheControl: cacheControl }
    return new URL(await getSignedUrl(client, new GetObjectCommand({ ...requested, ...overrides }), options))
  }
  const overrides = { ...(type && { 'response-content-type': type }), 'response-cache-control': cacheControl }
  const { path, query } = await requests.signer.presign(
    requests.of(key, { ...overrides, 'x-id': 'GetObject' }),
    options,
  )
  const search = Object.entries(query ?? {}).map(([name, value]) => `${encodePart(name)}=${encodePart(String(value))}`)
  return new URL(`${requests.origin}${path}?${search.join('&')}`)
}
