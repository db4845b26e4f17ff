import type { ExecutionResult, GraphqlError } from './document.ts'
import type { ErrorCode } from './generated/graphql.ts'

interface ApiErrorOptions {
  code: string
  message: string
  fieldErrors?: { path: string; message: string }[]
  retryAfterSeconds?: number | undefined
}

/** The server answered with an error. The same call fails again unless something changes. */
export class ApiError extends Error {
  /** Stable code, such as NOT_FOUND or UNAUTHENTICATED; GRAPHQL if the document does not fit the server's schema. */
  readonly code: ErrorCode | 'GRAPHQL' | (string & {})
  /** Errors in single input fields; empty unless the code is VALIDATION. */
  readonly fieldErrors: { path: string; message: string }[]
  /** Seconds to wait before the next try; undefined unless the server limits the rate. */
  readonly retryAfterSeconds: number | undefined

  constructor({ code, message, fieldErrors = [], retryAfterSeconds }: ApiErrorOptions) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.fieldErrors = fieldErrors
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** No valid answer came: the server cannot be reached, is stopping, or a proxy answered for it. A later try may succeed. */
export class ConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ConnectionError'
  }
}

/** The first error of a response, as an ApiError. */
export function toApiError([first]: readonly GraphqlError[]): ApiError {
  const { message = 'The server reported an error.', extensions = {} } = first ?? {}
  return new ApiError({ ...extensions, code: extensions.code ?? 'GRAPHQL', message })
}

/**
 * The data of a result.
 * @throws ApiError if the result has errors; ConnectionError if it has no data either
 */
export function dataOf({ data, errors }: ExecutionResult): Record<string, unknown> {
  if (errors && errors.length > 0) throw toApiError(errors)
  if (!data) throw new ConnectionError('The response is not one of a GraphQL server.')
  return data
}

type ErrorResult = { code: ErrorCode; message: string }

/**
 * The success of a mutation, whose document selects `... on Error { code message }`.
 * @throws ApiError with the code of the error that the server returned instead
 */
export function successOf<Result extends object>(result: Result): Exclude<Result, ErrorResult> {
  if ('code' in result && 'message' in result) throw new ApiError(result as Result & ErrorResult)
  return result as Exclude<Result, ErrorResult>
}
