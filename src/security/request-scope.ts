import { AsyncLocalStorage } from 'node:async_hooks'

/** Limits of one API operation, for everything that it calls. */
export interface RequestScope {
  /** Milliseconds that one SQL statement may take. */
  statementMs: number
  /** Aborts when the operation has taken too long. */
  signal: AbortSignal
}

const scopes = new AsyncLocalStorage<RequestScope>()

/** Runs an operation of the API within its limits. */
export function inRequestScope<T>(scope: RequestScope, work: () => T): T {
  return scopes.run(scope, work)
}

/** The limits of the operation that calls; undefined in jobs and at the start. */
export function requestScope(): RequestScope | undefined {
  return scopes.getStore()
}

/** Runs a job without the limits of the operation that has started it. */
export function outsideRequests<T>(work: () => T): T {
  return scopes.exit(work)
}
