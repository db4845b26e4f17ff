import { type ErrorCode, SluiceError } from '../errors.ts'

const outageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONNECTION_REFUSED',
  'UNREACHABLE',
  'UNRESOLVABLE_HOST',
  'TLS_FAILED',
  // A listing, or the answer to a write, that broke off.
  'BODY_CUT',
])

// By these codes a service asks one client to slow down (see the error tables of the providers).
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

/** True if the storage serves this client, but wants fewer requests. A 503 with another code, or without one, is an outage. */
export function asksToSlowDown(error: unknown): boolean {
  if (!(error instanceof SluiceError) || error.code !== 'THROTTLED') return false
  return error.remote?.status !== 503 || slowDownCodes.has(error.remote.code)
}

/** True if the fault says that the location as a whole is away: no connection, or a 5xx. */
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

/** True if the storage refused one request, so that it is there. */
export const isAnswer = (error: unknown): boolean => error instanceof SluiceError && answers.has(error.code)
