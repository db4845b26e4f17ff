import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { SluiceError } from '../../errors.ts'
import { contentTypeOf } from '../content-type.ts'
import type { S3Location } from './location.ts'

// What S3 accepts (Amazon S3, "RequestTimeTooSkewed") is 15 minutes; the SDK takes it for a wrong clock from 4 minutes on.
const skewThatMattersMs = 240_000

/**
 * A URL for a GET of the object on the endpoint of `client`, good for `ttlSeconds`, but not beyond the end of the session
 * whose credentials sign it. Without credentials it is the plain address.
 */
export async function presignGet(
  client: S3Client,
  place: S3Location,
  { key, ttlSeconds }: { key: string; ttlSeconds: number },
): Promise<URL> {
  const asked = { Bucket: place.bucket, Key: key }
  if (place.anonymous) {
    const url = new URL(await getSignedUrl(client, new GetObjectCommand(asked)))
    url.search = ''
    return url
  }
  const { expiration } = await client.config.credentials()
  const skewMs = client.config.systemClockOffset
  const now = Date.now() + (Math.abs(skewMs) < skewThatMattersMs ? 0 : skewMs)
  const leftSeconds = expiration ? Math.floor((expiration.getTime() - now) / 1000) : Infinity
  if (leftSeconds < 1) throw new SluiceError('BAD_CREDENTIALS', 'The temporary credentials have expired.')
  const command = new GetObjectCommand({ ...asked, ResponseContentType: contentTypeOf(key) })
  const expiresIn = Math.min(ttlSeconds, leftSeconds)
  return new URL(await getSignedUrl(client, command, { expiresIn, signingDate: new Date(now) }))
}
