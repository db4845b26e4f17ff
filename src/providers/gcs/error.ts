import { type ErrorCode, SluiceError } from '../../errors.ts'
import { isCloudHost } from '../kit/cloud-hosts.ts'
import { isJsonWithin } from '../kit/parse-limits.ts'
import { remoteDetail } from '../kit/remote-detail.ts'
import { networkError } from '../network-error.ts'
import { withoutRequest } from './auth.ts'
import type { GcsLocation } from './location.ts'

const statuses: Record<number, ErrorCode> = {
  401: 'BAD_CREDENTIALS',
  403: 'DENIED',
  404: 'OBJECT_MISSING',
  408: 'TIMEOUT',
  412: 'PRECONDITION_FAILED',
  413: 'OBJECT_TOO_LARGE',
  416: 'RANGE_UNSATISFIABLE',
  429: 'THROTTLED',
  503: 'THROTTLED',
  // RFC 4918 §11.5, from compatible servers.
  507: 'STORAGE_FULL',
}

// "HTTP status and error codes for JSON": 403 with one of these reasons is throttling, not a missing permission.
const throttling = /^(rateLimitExceeded|userRateLimitExceeded|quotaExceeded)$/

/** A response with an error status. It holds the beginning of the body, which must not be printed. */
export class RequestRefused extends Error {
  readonly response: { status: number; text: string; requestId: string | undefined }
  constructor(response: RequestRefused['response']) {
    super('The storage refused the request.')
    this.response = response
    // Hides the response from loggers and `inspect`.
    Object.defineProperty(this, 'response', { enumerable: false })
  }
}

/** Reads an error response. It is JSON; with alt=media it is only the message, sent as text/html. */
function read(error: unknown) {
  const { status, text = '', requestId } = error instanceof RequestRefused ? error.response : {}
  let message = text
  let reason = ''
  if (isJsonWithin(Buffer.from(text), { maxParts: 500, maxDepth: 12 })) {
    try {
      const fault = JSON.parse(text).error
      message = typeof fault?.message === 'string' ? fault.message : ''
      reason = typeof fault?.errors?.[0]?.reason === 'string' ? fault.errors[0].reason : ''
    } catch {
      // Plain text.
    }
  }
  return { status, message, reason, requestId, isMarkup: /^\s*</.test(text) }
}

// "HTTP status and error codes for JSON": the reasons that our messages may quote.
const reasons = new Set(
  `accessNotConfigured authError backendError badRequest conditionNotMet conflict corsRequestOrigin countryBlocked
  customerEncryptionKeyIsIncorrect domainPolicy expired forbidden gone insufficientPermissions internalError invalid
  invalidArgument keyInvalid lengthRequired methodNotAllowed notFound parseError quotaExceeded rateLimitExceeded required
  retentionPolicyNotMet sslRequired unauthorized uploadTooLarge userProjectAccountProblem userProjectMissing
  userRateLimitExceeded variableTermLimitExceeded`.split(/\s+/),
)

/** Whether a retry of the same request may succeed (Cloud Storage, "Retry strategy"). */
export function isTransient(error: unknown): boolean {
  if (error instanceof SluiceError) return error.code === 'TIMEOUT'
  const { status, reason } = read(error)
  if (status !== undefined) return status === 408 || status === 429 || status >= 500 || throttling.test(reason)
  const code = networkError(error)?.code
  return code === 'UNREACHABLE' || code === 'TIMEOUT' || code === 'CONNECTION_REFUSED'
}

/** Whether a request was refused because of its access token. */
export const isUnauthorized = (error: unknown): boolean => read(error).status === 401

/** Whether a request was refused because it names no project that pays. */
export function wantsPayer(error: unknown): boolean {
  const { status, message } = read(error)
  return status === 400 && /requester pays/i.test(message)
}

/** Wraps an error of the transport, once, at the edge of the provider. `key` is the requested object, if any. */
export function gcsError(error: unknown, requested: { place: GcsLocation; key: string | undefined }): SluiceError {
  if (error instanceof SluiceError) return error
  const { status, message, reason, requestId, isMarkup } = read(error)
  const { place, key } = requested
  const cause = withoutRequest(error)
  if (status === undefined) return networkError(cause) ?? new SluiceError('UNEXPECTED_ANSWER', undefined, { cause })

  const isCloud = isCloudHost('GOOGLE', place.endpoint)
  const remote = remoteDetail({ status, code: reason, known: reasons, requestId: isCloud ? requestId : undefined })
  const fault = (code: ErrorCode, message?: string, hint?: string) =>
    new SluiceError(code, message, { cause, remote, hint })
  // An overloaded proxy in front of the storage answers with HTML, too.
  if (isMarkup && ![408, 413, 429].includes(status) && status < 500) return fault('CONSOLE_URL')
  if (throttling.test(reason)) return fault('THROTTLED')
  if (wantsPayer(error))
    return fault(
      'DENIED',
      'In this bucket the requester pays: enter the ID of a project that does.',
      'Enter the ID of a Google Cloud project that pays (projectId), in which the account may use services ' +
        '(roles/serviceusage.serviceUsageConsumer).',
    )
  if (status === 401 && place.anonymous) {
    const hint =
      'Enter a service account key and switch anonymous off, or make the bucket public (allUsers as Storage Object Viewer).'
    return fault('DENIED', 'The bucket is not public: this needs credentials.', hint)
  }
  if (status === 403) return fault('DENIED', lacking(message))
  if (status === 404 && (key === undefined || /^The specified bucket does not exist/i.test(message))) {
    const at = place.endpoint ? ` at ${place.endpoint}` : ''
    return fault('NO_SUCH_BUCKET', `There is no bucket "${place.bucket}"${at}.`)
  }
  const code = statuses[status]
  if (code) return fault(code)
  return status >= 500
    ? fault('UNREACHABLE', `The storage answered with status ${status}.`)
    : fault('UNEXPECTED_ANSWER')
}

// "IAM permissions for JSON methods": those that our requests need.
const permissions = [
  ...['get', 'list', 'create', 'delete', 'update'].map((verb) => `storage.objects.${verb}`),
  ...['get', 'list'].map((verb) => `storage.buckets.${verb}`),
  'serviceusage.services.use',
]

/** Names the missing permission, if Google's message contains it. */
function lacking(message: string): string | undefined {
  const permission = permissions.find((name) => message.includes(name))
  return permission && `The credentials are valid, but lack the permission ${permission}.`
}
