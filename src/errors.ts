import { errorTable } from './errors/table.ts'

/** A stable, public error code. */
export type ErrorCode = keyof typeof errorTable

/** What may be disclosed of a remote server's response. The server wrote none of it freely. */
export interface RemoteDetail {
  /** HTTP status. */
  status?: number | undefined
  /** An error code from a fixed list, or `unknownCode`. */
  code?: string | undefined
  /** The server's id of the request, as `safeRequestId` lets it pass. */
  requestId?: string | undefined
}

/** What a SluiceError may carry besides its code and message. */
export interface SluiceErrorOptions {
  /** For debugging in memory only: it may hold bytes of a remote server, so it is never printed. */
  cause?: unknown
  remote?: RemoteDetail | undefined
  /** What to do about this fault, where the advice for its code would mislead. */
  hint?: string | undefined
}

/** Method that the logger calls on errors whose text is known to be ours. A symbol, so that no remote data can set it. */
const ownWords = Symbol.for('sluice.ownWords')

/** An error with a stable code and a message that may be shown to the public. What must stay inside goes into `cause`. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly remote: RemoteDetail | undefined
  /** What to do about it; undefined where the advice for the code applies. */
  readonly hint: string | undefined
  constructor(
    code: ErrorCode,
    message: string = errorTable[code].words,
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
  /** The HTTP status this fault has at the door. */
  get status(): number {
    return errorTable[this.code].status
  }
  /** The message and what may be disclosed of the remote response. */
  [ownWords](): string {
    const { status, code, requestId } = this.remote ?? {}
    const details = [
      ...(status === undefined ? [] : [`status ${status}`]),
      ...(code === undefined ? [] : [code]),
      ...(requestId === undefined ? [] : [`request id ${requestId}`]),
    ]
    return details.length === 0 ? this.message : `${this.message} (${details.join(', ')})`
  }
}

/** A token was sent that opens nothing. Unlike a request without a token, it counts as a guess. */
export class WrongTokenError extends SluiceError {
  constructor(message: string) {
    super('UNAUTHENTICATED', message)
    this.name = 'WrongTokenError'
  }
}

/** The client has sent too many wrong tokens. A right token is accepted at any time. */
export class TooManyWrongTokensError extends SluiceError {
  /** Seconds until the next wrong token is answered as such. */
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    super('TOO_MANY_WRONG_TOKENS')
    this.name = 'TooManyWrongTokensError'
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** A fault in one input field; `path` leads to it, such as `input.location.s3.bucket`. Without a `code` it is VALIDATION. */
export interface FieldError {
  path: string
  message: string
  code?: ErrorCode
}

/** Input was refused. Nothing was changed. */
export class ValidationError extends SluiceError {
  readonly fieldErrors: FieldError[]
  constructor(fieldErrors: FieldError[]) {
    super('VALIDATION', fieldErrors.map(({ path, message }) => `${path}: ${message}`).join('; '))
    this.name = 'ValidationError'
    this.fieldErrors = fieldErrors
  }
}

/** What was named does not exist, or the viewer may not know of it. */
export class NotFoundError extends SluiceError {
  constructor(message?: string) {
    super('NOT_FOUND', message)
    this.name = 'NotFoundError'
  }
}

/** Not possible in the present state, such as cancelling a sync that has ended. */
export class ConflictError extends SluiceError {
  constructor(message?: string, code: ErrorCode = 'CONFLICT') {
    super(code, message)
    this.name = 'ConflictError'
  }
}

/**
 * The text of an error for `SyncRun.failure` and the log: our own messages, codes and ids, never bytes of a remote server.
 * Causes are named only if they are SluiceErrors. Any other error is INTERNAL; `faultId` is the id under which the log has it.
 */
export function describeError(error: unknown, faultId?: string): string {
  const parts: string[] = []
  for (let at = error; at instanceof SluiceError && parts.length < 5; at = at.cause) {
    const text = at[ownWords]()
    if (!parts.includes(text)) parts.push(text)
  }
  if (parts.length > 0) return parts.join(' ← ')
  const words = isDiskFull(error) ? diskFullWords : errorTable.INTERNAL.words
  return faultId === undefined ? words : `${words} The server's log has the details under the id ${faultId}.`
}

/** What is said of a full disk of this server or of its database. */
export const diskFullWords =
  'The disk of this server or of its database is full. Free some space on it, then try again.'

/** Whether a fault of this machine or of PostgreSQL ("Error Codes": 53100, disk_full) is for want of space on a disk. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (['ENOSPC', 'EDQUOT', '53100'].includes(String((at as { code?: unknown }).code))) return true
  }
  return false
}
