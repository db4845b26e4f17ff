import { AsyncLocalStorage } from 'node:async_hooks'

/** Limits of one API operation, available to all code that it calls. */
interface RequestScope {
  /** Milliseconds that one SQL statement may take. */
  statementMs: number
  /** Aborts when the operation has taken too long. */
  signal: AbortSignal
}

const scopes = new AsyncLocalStorage<RequestScope>()

/** Runs an API operation within its limits. */
export function inRequestScope<T>(scope: RequestScope, work: () => T): T {
  return scopes.run(scope, work)
}

/** The limits of the current API operation. Undefined in jobs and at the start. */
export function requestScope(): RequestScope | undefined {
  return scopes.getStore()
}

/** Runs work without the limits of the API operation that started it. */
export function outsideRequests<T>(work: () => T): T {
  return scopes.exit(work)
}
