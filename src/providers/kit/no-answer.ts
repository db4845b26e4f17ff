import { type ErrorCode, SluiceError } from '../../errors.ts'

const codes = new Set<ErrorCode>([
  'CONNECTION_REFUSED',
  'UNRESOLVABLE_HOST',
  'TLS_FAILED',
  'TIMEOUT',
  'UNREACHABLE',
  'THROTTLED',
])

/** Whether a request failed without a usable response, so that it gives no information about the storage. */
export const isNoAnswer = (error: unknown): boolean => error instanceof SluiceError && codes.has(error.code)
