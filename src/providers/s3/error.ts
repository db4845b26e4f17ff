import { type ErrorCode, SluiceError } from '../../errors.ts'
import { toError } from '../../unknown.ts'
import { isCloudHost } from '../kit/cloud-hosts.ts'
import { remoteDetail } from '../kit/remote-detail.ts'
import { networkError } from '../network-error.ts'
import { tableOf } from '../table.ts'
import type { S3Location } from './location.ts'
import { isAwsRegion, namedRegion } from './region.ts'

/**
 * Error codes of S3 (Amazon S3 API reference, "Error responses"), of STS (AWS STS API reference, "Common errors"), and of the
 * SDK before it sends a request.
 */
const codes = tableOf<ErrorCode>({
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
  TokenProviderError: 'BAD_CREDENTIALS',
  InvalidClientTokenId: 'BAD_CREDENTIALS',
  UnrecognizedClientException: 'BAD_CREDENTIALS',
  ExpiredTokenException: 'BAD_CREDENTIALS',
  InvalidIdentityToken: 'BAD_CREDENTIALS',
  // versitygw with a single account, with status 404.
  XAdminUserNotFound: 'BAD_CREDENTIALS',
  RequestTimeTooSkewed: 'CLOCK_SKEW',
  RequestExpired: 'CLOCK_SKEW',
  InvalidObjectState: 'ARCHIVED',
  RegionDisabledException: 'DENIED',
  RequestTimeout: 'TIMEOUT',
  InvalidBucketName: 'NO_SUCH_BUCKET',
  AccessDenied: 'DENIED',
  AllAccessDisabled: 'DENIED',
  AccountProblem: 'DENIED',
  PermanentRedirect: 'WRONG_REGION',
  AuthorizationHeaderMalformed: 'WRONG_REGION',
  IllegalLocationConstraintException: 'WRONG_REGION',
  PreconditionFailed: 'PRECONDITION_FAILED',
  InvalidRange: 'RANGE_UNSATISFIABLE',
  BadDigest: 'CHECKSUM_MISMATCH',
  XAmzContentSHA256Mismatch: 'CHECKSUM_MISMATCH',
  SlowDown: 'THROTTLED',
  RequestLimitExceeded: 'THROTTLED',
  TooManyRequests: 'THROTTLED',
  Throttling: 'THROTTLED',
  ThrottlingException: 'THROTTLED',
  // The first two are from MinIO, the third is from Ceph, versitygw and others with quotas.
  XMinioStorageFull: 'STORAGE_FULL',
  XMinioAdminBucketQuotaExceeded: 'STORAGE_FULL',
  QuotaExceeded: 'STORAGE_FULL',
  EntityTooLarge: 'OBJECT_TOO_LARGE',
})

/** Codes of compatible servers for an unknown access key ID. Some send them with status 404. */
const unknownKeyId =
  /access.?key|(?:user|account|identity).?not.?(?:found|exist)|(?:no.?such|unknown|invalid).?(?:user|account|entity)/i

const statuses: Record<number, ErrorCode> = {
  301: 'WRONG_REGION',
  401: 'BAD_CREDENTIALS',
  403: 'DENIED',
  404: 'OBJECT_MISSING',
  408: 'TIMEOUT',
  412: 'PRECONDITION_FAILED',
  413: 'OBJECT_TOO_LARGE',
  416: 'RANGE_UNSATISFIABLE',
  429: 'THROTTLED',
  503: 'THROTTLED',
  // RFC 4918 §11.5.
  507: 'STORAGE_FULL',
}

interface SdkError extends Error {
  Code?: string
  $metadata?: { httpStatusCode?: number }
  $response?: { statusCode?: number; headers?: Record<string, string> }
}

/** Wraps an error of the SDK, once, at the edge of the provider. `key` is the requested object, if any. */
export function s3Error(error: unknown, requested: { place: S3Location; key: string | undefined }): SluiceError {
  if (error instanceof SluiceError) return error
  const sdk: SdkError = toError(error)
  const status = sdk.$metadata?.httpStatusCode ?? sdk.$response?.statusCode
  const html = sdk.$response?.headers?.['content-type']?.includes('html')
  // Without a code in the response, the SDK derives the name from the status, which a website's response has, too.
  const known = sdk.Code || !html ? (codes[sdk.name] ?? codes[sdk.Code ?? '']) : undefined
  const options = { cause: error, remote: detailOf(sdk, isCloudHost('AWS', requested.place.endpoint)) }
  // An overloaded proxy in front of the storage answers with HTML, too.
  const passing = status !== undefined && (status === 408 || status === 413 || status === 429 || status >= 500)
  if (
    !known &&
    !passing &&
    (html || /Deserialization|is not expected|Unexpected token|Unclosed tag/i.test(sdk.message ?? ''))
  ) {
    return new SluiceError('CONSOLE_URL', undefined, options)
  }
  const code = known ?? codeOfRefusal(sdk.Code, status)
  if (code === 'OBJECT_MISSING' && requested.key === undefined) {
    // A 404 with a code for another reason does not mean that the bucket is missing.
    const isNamed = sdk.Code !== undefined && !codes[sdk.Code] && !/bucket|container/i.test(sdk.Code)
    return isNamed
      ? new SluiceError('UNEXPECTED_ANSWER', undefined, options)
      : new SluiceError('NO_SUCH_BUCKET', messageFor('NO_SUCH_BUCKET', requested.place, sdk), options)
  }
  if (code) return new SluiceError(code, messageFor(code, requested.place, sdk), options)
  const network = networkError(error)
  if (network) return network
  if (status !== undefined && status >= 500)
    return new SluiceError('UNREACHABLE', `The storage answered with status ${status}.`, options)
  return new SluiceError('UNEXPECTED_ANSWER', undefined, options)
}

/** The meaning of a refusal whose code is not one of Amazon's. */
function codeOfRefusal(code: string | undefined, status: number | undefined): ErrorCode | undefined {
  const isRefusal = status === 400 || status === 401 || status === 403 || status === 404
  if (isRefusal && code !== undefined && unknownKeyId.test(code)) return 'BAD_CREDENTIALS'
  return status === undefined ? undefined : statuses[status]
}

/** Wraps an error of AssumeRole. */
export function stsError(error: unknown, roleArn: string): SluiceError {
  if (error instanceof SluiceError) return error
  const sdk: SdkError = toError(error)
  const options = { cause: error, remote: detailOf(sdk, false) }
  const code = codes[sdk.name]
  if (code === 'DENIED') {
    const text = `The role ${roleArn} may not be assumed: its trust policy must allow these credentials and the external ID.`
    return new SluiceError(code, text, options)
  }
  if (code) return new SluiceError(code, messageFor(code, undefined, sdk), options)
  const network = networkError(error)
  if (network) return new SluiceError(network.code, `STS: ${network.message}`, options)
  const status = sdk.$metadata?.httpStatusCode ?? 0
  return new SluiceError(
    status >= 500 ? 'UNREACHABLE' : 'UNEXPECTED_ANSWER',
    'STS returned no session for the role.',
    options,
  )
}

/** Codes that have no `ErrorCode` and may be shown as they are, in `failure` and in the log. */
const otherCodes = `EntityTooLarge InternalError InvalidArgument InvalidRequest InvalidSignatureException
  KMS.DisabledException KMS.NotFoundException KeyTooLongError MethodNotAllowed MissingSecurityHeader NotImplemented
  OperationAborted Redirect RequestTimeout ServiceUnavailable TemporaryRedirect UnauthorizedAccess`

const known = new Set([...Object.keys(codes), ...otherCodes.split(/\s+/)])

function detailOf({ name, Code, $metadata, $response }: SdkError, isCloud: boolean) {
  const status = $metadata?.httpStatusCode ?? $response?.statusCode
  return remoteDetail({
    status,
    // Without a response, the name belongs to an error of this process.
    code: status === undefined ? undefined : (Code ?? (known.has(name) ? name : undefined)),
    known,
    requestId: isCloud ? $response?.headers?.['x-amz-request-id'] : undefined,
  })
}

function messageFor(code: ErrorCode, place: S3Location | undefined, error: SdkError): string | undefined {
  if (error.name === 'CredentialsProviderError') {
    return 'No credentials are given, and the server has none of its own (environment, profile, web identity, instance role).'
  }
  if (!place) return undefined
  if (code === 'NO_SUCH_BUCKET')
    return `There is no bucket "${place.bucket}"${place.endpoint ? ` at ${place.endpoint}` : ''}.`
  if (code === 'WRONG_REGION') {
    const [right, wrong] = [namedRegion(error), place.region]
    return right && right !== wrong && isAwsRegion(right)
      ? `The bucket "${place.bucket}" is in region ${right}, not in ${wrong}. Set its region, or AUTO.`
      : `The bucket "${place.bucket}" is not in region ${wrong}. Set its region, or AUTO.`
  }
  return undefined
}
