import { type ErrorCode, SluiceError } from '../errors.ts'

const outageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONNECTION_REFUSED',
  'UNREACHABLE',
  'UNRESOLVABLE_HOST',
  'TLS_FAILED',
  // A listing or the response to a write was cut off.
  'BODY_CUT',
])

// With these codes, a service asks a client to slow down (see the error tables of the providers).
const slowDownCodes: ReadonlySet<string | undefined> = new Set([
  'RequestLimitExceeded',
  'ServerBusy',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'quotaExceeded',
  'rateLimitExceeded',
  'userRateLimitExceeded',
])

/**
 * Whether the storage works, but wants fewer requests from this client. A 503 with another code, or without one, is an outage.
 */
export function asksToSlowDown(error: unknown): boolean {
  if (!(error instanceof SluiceError) || error.code !== 'THROTTLED') return false
  return error.remote?.status !== 503 || slowDownCodes.has(error.remote.code)
}

/** Whether the error means that the whole storage is unavailable: no connection, or a 5xx. */
export function isOutage(error: unknown): error is SluiceError {
  if (!(error instanceof SluiceError)) return false
  return outageCodes.has(error.code) || (error.code === 'THROTTLED' && !asksToSlowDown(error))
}

const answers: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DENIED',
  'OBJECT_MISSING',
  'PRECONDITION_FAILED',
  'RANGE_UNSATISFIABLE',
  'WRONG_TYPE',
])

/** Whether the storage refused a single request. That shows that it is available. */
export const isAnswer = (error: unknown): boolean => error instanceof SluiceError && answers.has(error.code)
