import { requestScope } from '../security/request-scope.ts'

/** Milliseconds that a person waits at most for one answer of a storage, in a check or a preview. */
export const answerTimeoutMs = 15_000

/** Aborts after `timeoutMs` with a TimeoutError, or with the operation that waits for the answer. */
export function answerSignal(timeoutMs: number): AbortSignal {
  const operation = requestScope()?.signal
  const timeout = AbortSignal.timeout(timeoutMs)
  return operation ? AbortSignal.any([timeout, operation]) : timeout
}
