import { Storage } from '@google-cloud/storage'
import type { GoogleAuth } from 'google-auth-library'
import { SluiceError } from '../../errors.ts'
import { toError } from '../../unknown.ts'
import { contentTypeOf } from '../content-type.ts'
import { networkError } from '../network-error.ts'
import { authError } from './auth.ts'

const longestSeconds = 7 * 24 * 3600

interface SignOptions {
  ttlSeconds: number
  userProject: string | undefined
  /** The storage's time, in milliseconds since 1970. */
  now: number
}

/** Makes a function that creates presigned URLs (V4) for GETs at the endpoint, valid for `ttlSeconds`, at most seven days. */
export function createUrlSigner(options: {
  auth: GoogleAuth
  endpoint: string
  bucket: string
  /** URL of the IAM Credentials API, which signs if the credentials contain no key. */
  signingEndpoint?: string
}) {
  const { auth, endpoint, bucket: name, signingEndpoint } = options
  const bucket = new Storage({ authClient: auth, apiEndpoint: endpoint }).bucket(name)
  return async (key: string, options: SignOptions): Promise<URL> => {
    const { now } = options
    const responseType = contentTypeOf(key)
    try {
      const [url] = await bucket.file(key).getSignedUrl({
        version: 'v4',
        action: 'read',
        accessibleAt: now,
        expires: now + Math.min(options.ttlSeconds, longestSeconds) * 1000,
        ...(responseType !== undefined && { responseType }),
        ...(options.userProject !== undefined && { queryParams: { userProject: options.userProject } }),
        ...(signingEndpoint !== undefined && { signingEndpoint }),
      })
      return new URL(url)
    } catch (error) {
      throw signingError(error)
    }
  }
}

/** Wraps an error of signing. The SDK passes on only its message. */
function signingError(error: unknown): SluiceError {
  const { name, message: reason } = toError(error)
  if (name !== 'SigningError') return authError(error)
  const code = /\bE[A-Z]+(_[A-Z]+)*\b/.exec(reason)?.[0]
  const network = code === undefined ? undefined : networkError({ code })
  if (network) return new SluiceError(network.code, undefined, { cause: error })
  const message = /permission|denied/i.test(reason)
    ? 'The credentials may not sign URLs: this takes iam.serviceAccounts.signBlob on their own service account.'
    : undefined
  return message ? new SluiceError('DENIED', message, { cause: error }) : authError(error)
}
