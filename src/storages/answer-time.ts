import { requestScope } from '../security/request-scope.ts'

/** Timeout in milliseconds for one response of a storage, in a check or a preview that a person waits for. */
export const answerTimeoutMs = 15_000

/** Returns a signal that aborts after `timeoutMs` with a TimeoutError, or when the API operation that waits is aborted. */
export function answerSignal(timeoutMs: number): AbortSignal {
  const operation = requestScope()?.signal
  const timeout = AbortSignal.timeout(timeoutMs)
  return operation ? AbortSignal.any([timeout, operation]) : timeout
}
