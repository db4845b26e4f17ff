import { type ErrorCode, SluiceError } from '../../errors.ts'
import { networkError } from '../network-error.ts'
import type { S3Location } from './location.ts'

/** S3's error codes (Amazon S3 API reference, "Error responses"), and those of the SDK before a request leaves. */
const codes: Record<string, ErrorCode> = {
  NoSuchBucket: 'NO_SUCH_BUCKET',
  NoSuchKey: 'OBJECT_MISSING',
  NotFound: 'OBJECT_MISSING',
  InvalidAccessKeyId: 'BAD_CREDENTIALS',
  SignatureDoesNotMatch: 'BAD_CREDENTIALS',
  InvalidToken: 'BAD_CREDENTIALS',
  InvalidSecurity: 'BAD_CREDENTIALS',
  ExpiredToken: 'BAD_CREDENTIALS',
  TokenRefreshRequired: 'BAD_CREDENTIALS',
  CredentialsProviderError: 'BAD_CREDENTIALS',
  AccessDenied: 'DENIED',
  AllAccessDisabled: 'DENIED',
  AccountProblem: 'DENIED',
  PermanentRedirect: 'WRONG_REGION',
  AuthorizationHeaderMalformed: 'WRONG_REGION',
  IllegalLocationConstraintException: 'WRONG_REGION',
  PreconditionFailed: 'PRECONDITION_FAILED',
  InvalidRange: 'RANGE_UNSATISFIABLE',
  SlowDown: 'THROTTLED',
  RequestLimitExceeded: 'THROTTLED',
  TooManyRequests: 'THROTTLED',
  Throttling: 'THROTTLED',
  ThrottlingException: 'THROTTLED',
}

const statuses: Record<number, ErrorCode> = {
  301: 'WRONG_REGION',
  401: 'BAD_CREDENTIALS',
  403: 'DENIED',
  404: 'OBJECT_MISSING',
  412: 'PRECONDITION_FAILED',
  416: 'RANGE_UNSATISFIABLE',
  429: 'THROTTLED',
  503: 'THROTTLED',
}

interface SdkError extends Error {
  Code?: string
  $metadata?: { httpStatusCode?: number }
  $response?: { statusCode?: number; headers?: Record<string, string> }
}

/** Wraps a fault of the SDK once, at the provider's edge. `key` is the object that was asked for, if any. */
export function s3Error(error: unknown, asked: { place: S3Location; key: string | undefined }): SluiceError {
  if (error instanceof SluiceError) return error
  const sdk = error as SdkError
  const status = sdk.$metadata?.httpStatusCode ?? sdk.$response?.statusCode
  const html = sdk.$response?.headers?.['content-type']?.includes('html')
  // A name that no answer gave was made up from the status, which a website's answer has too.
  const known = sdk.Code || !html ? (codes[sdk.name] ?? codes[sdk.Code ?? '']) : undefined
  const options = { cause: error }
  // An overloaded proxy before the storage speaks HTML too.
  const passing = status !== undefined && (status === 429 || status >= 500)
  if (
    !known &&
    !passing &&
    (html || /Deserialization|is not expected|Unexpected token|Unclosed tag/i.test(sdk.message ?? ''))
  ) {
    return new SluiceError('CONSOLE_URL', undefined, options)
  }
  const code = known ?? (status === undefined ? undefined : statuses[status])
  if (code === 'OBJECT_MISSING' && asked.key === undefined) return new SluiceError('NO_SUCH_BUCKET', undefined, options)
  if (code) return new SluiceError(code, words(code, asked.place), options)
  const network = networkError(error)
  if (network) return network
  if (status !== undefined && status >= 500)
    return new SluiceError('UNREACHABLE', `The storage answered with status ${status}.`, options)
  return new SluiceError('UNEXPECTED_ANSWER', undefined, options)
}

function words(code: ErrorCode, place: S3Location): string | undefined {
  if (code === 'NO_SUCH_BUCKET')
    return `There is no bucket "${place.bucket}"${place.endpoint ? ` at ${place.endpoint}` : ''}.`
  if (code === 'WRONG_REGION')
    return `The bucket "${place.bucket}" is not in region ${place.region}. Set its region, or AUTO.`
  return undefined
}
