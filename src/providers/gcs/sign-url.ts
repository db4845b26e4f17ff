import { Storage } from '@google-cloud/storage'
import type { GoogleAuth } from 'google-auth-library'
import { SluiceError } from '../../errors.ts'
import { contentTypeOf } from '../content-type.ts'
import { networkError } from '../network-error.ts'
import { authError } from './auth.ts'

const longestSeconds = 7 * 24 * 3600

interface Asked {
  ttlSeconds: number
  userProject: string | undefined
  /** The storage's time, in milliseconds since 1970. */
  now: number
}

/** Makes a function that signs URLs (V4) which read an object for `ttlSeconds`, seven days at most, at the endpoint. */
export function createUrlSigner(options: {
  auth: GoogleAuth
  endpoint: string
  bucket: string
  /** Of the IAM Credentials API, which signs when the credentials hold no key. */
  signingEndpoint?: string
}) {
  const { auth, endpoint, bucket: name, signingEndpoint } = options
  const bucket = new Storage({ authClient: auth, apiEndpoint: endpoint }).bucket(name)
  return async (key: string, asked: Asked): Promise<URL> => {
    const { now } = asked
    const responseType = contentTypeOf(key)
    try {
      const [url] = await bucket.file(key).getSignedUrl({
        version: 'v4',
        action: 'read',
        accessibleAt: now,
        expires: now + Math.min(asked.ttlSeconds, longestSeconds) * 1000,
        ...(responseType !== undefined && { responseType }),
        ...(asked.userProject !== undefined && { queryParams: { userProject: asked.userProject } }),
        ...(signingEndpoint !== undefined && { signingEndpoint }),
      })
      return new URL(url)
    } catch (error) {
      throw signingError(error)
    }
  }
}

/** Of a fault while signing the SDK hands on the words only. */
function signingError(error: unknown): SluiceError {
  const { name, message } = error as Error
  if (name !== 'SigningError') return authError(error)
  const code = /\bE[A-Z]+(_[A-Z]+)*\b/.exec(message)?.[0]
  const network = code === undefined ? undefined : networkError({ code })
  if (network) return new SluiceError(network.code, undefined, { cause: error })
  const words = /permission|denied/i.test(message)
    ? 'The credentials may not sign URLs: this takes iam.serviceAccounts.signBlob on their own service account.'
    : undefined
  return words ? new SluiceError('DENIED', words, { cause: error }) : authError(error)
}
