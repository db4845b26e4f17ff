import { type ErrorCode, SluiceError } from '../../errors.ts'

const codes = new Set<ErrorCode>([
  'CONNECTION_REFUSED',
  'UNRESOLVABLE_HOST',
  'TLS_FAILED',
  'TIMEOUT',
  'UNREACHABLE',
  'THROTTLED',
])

/** Whether a request failed without an answer of the storage about it, so that nothing is known of what was asked. */
export const isNoAnswer = (error: unknown): boolean => error instanceof SluiceError && codes.has(error.code)
