import { errorTable } from './errors/table.ts'
import { codeOf } from './unknown.ts'

/** A stable, public error code. */
export type ErrorCode = keyof typeof errorTable

/** Parts of a remote server's response that may be disclosed. None of them is free text of that server. */
export interface RemoteDetail {
  /** HTTP status. */
  status?: number | undefined
  /** An error code from a fixed list, or `unknownCode`. */
  code?: string | undefined
  /** The remote server's id of the request, validated by `safeRequestId`. */
  requestId?: string | undefined
}

/** Options of a SluiceError, in addition to its code and message. */
interface SluiceErrorOptions {
  /** For debugging in memory only. It may contain bytes of a remote server, so it is never printed. */
  cause?: unknown
  remote?: RemoteDetail | undefined
  /** What to do about the error, if the general hint for its code would be misleading. */
  hint?: string | undefined
}

/** Method that returns the text of an error for the log. A symbol, so that remote data cannot set it. */
const logMessage = Symbol.for('sluice.logMessage')

/** An error with a stable code and a public message. Details that clients must not see go into `cause`. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly remote: RemoteDetail | undefined
  /** What to do about the error. Undefined if the general hint for the code applies. */
  readonly hint: string | undefined
  constructor(
    code: ErrorCode,
    message: string = errorTable[code].message,
    { cause, remote, hint }: SluiceErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SluiceError'
    this.code = code
    this.remote = remote
    this.hint = hint
  }
  /** True if the same call may succeed later without any change. */
  get retryable(): boolean {
    return errorTable[this.code].retryable
  }
  /** True if the storage has no bytes for the key. */
  get hasNoBytes(): boolean {
    return 'hasNoBytes' in errorTable[this.code]
  }
  /** The HTTP status for the error. */
  get status(): number {
    return errorTable[this.code].status
  }
  /** The message with the disclosable parts of the remote response. */
  [logMessage](): string {
    const { status, code, requestId } = this.remote ?? {}
    const details = [
      ...(status === undefined ? [] : [`status ${status}`]),
      ...(code === undefined ? [] : [code]),
      ...(requestId === undefined ? [] : [`request id ${requestId}`]),
    ]
    return details.length === 0 ? this.message : `${this.message} (${details.join(', ')})`
  }
}

/** The client sent an invalid token. Unlike a request without a token, it counts as a guess. */
export class WrongTokenError extends SluiceError {
  constructor(message: string) {
    super('UNAUTHENTICATED', message)
    this.name = 'WrongTokenError'
  }
}

/** The client has sent too many wrong tokens. A valid token is still accepted. */
export class TooManyWrongTokensError extends SluiceError {
  /** Seconds until the next wrong token gets UNAUTHENTICATED instead of this error. */
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    super('TOO_MANY_WRONG_TOKENS')
    this.name = 'TooManyWrongTokensError'
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** An error in one input field. `path` names the field, such as `input.location.s3.bucket`. `code` is VALIDATION by default. */
export interface FieldError {
  path: string
  message: string
  code?: ErrorCode
}

/** The input is invalid. Nothing was changed. */
export class ValidationError extends SluiceError {
  readonly fieldErrors: FieldError[]
  constructor(fieldErrors: FieldError[]) {
    super('VALIDATION', fieldErrors.map(({ path, message }) => `${path}: ${message}`).join('; '))
    this.name = 'ValidationError'
    this.fieldErrors = fieldErrors
  }
}

/** The named object does not exist, or the viewer may not know that it exists. */
export class NotFoundError extends SluiceError {
  constructor(message?: string) {
    super('NOT_FOUND', message)
    this.name = 'NotFoundError'
  }
}

/** The operation is not possible in the current state, such as canceling a sync that has ended. */
export class ConflictError extends SluiceError {
  /** Number of pending exports that the operation would lose. Undefined if it failed for another reason. */
  readonly pendingExports: number | undefined
  constructor(
    message?: string,
    code: ErrorCode = 'CONFLICT',
    { pendingExports }: { pendingExports?: number | undefined } = {},
  ) {
    super(code, message)
    this.name = 'ConflictError'
    this.pendingExports = pendingExports
  }
}

/**
 * The text of an error for `SyncRun.failure` and the log. It contains only messages of Sluice, codes and ids, and no bytes of a
 * remote server. Causes are included only if they are SluiceErrors. Other errors are INTERNAL; the log contains their details
 * under `faultId`.
 */
export function describeError(error: unknown, faultId?: string): string {
  const parts: string[] = []
  for (let at = error; at instanceof SluiceError && parts.length < 5; at = at.cause) {
    const text = at[logMessage]()
    if (!parts.includes(text)) parts.push(text)
  }
  if (parts.length > 0) return parts.join(' ← ')
  const message = isDiskFull(error) ? diskFullMessage : errorTable.INTERNAL.message
  return faultId === undefined ? message : `${message} The server's log has the details under the id ${faultId}.`
}

/** Error message for a full disk of this server or of its database. */
export const diskFullMessage =
  'The disk of this server or of its database is full. Free some space on it, then try again.'

/** True if an error of this machine or of PostgreSQL ("Error Codes": 53100, disk_full) means that a disk is full. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (['ENOSPC', 'EDQUOT', '53100'].includes(codeOf(at) ?? '')) return true
  }
  return false
}
