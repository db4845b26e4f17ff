/** Every error code the product can show, with its HTTP status, whether trying again later may help, and words for the public. */
export const errorTable = {
  VALIDATION: { status: 400, retryable: false, words: 'Some of the input is not valid.' },
  UNAUTHENTICATED: { status: 401, retryable: false, words: 'Send an API token: Authorization: Bearer <token>.' },
  TOO_MANY_WRONG_TOKENS: {
    status: 429,
    retryable: true,
    words: 'Too many wrong tokens came from this address. Wait as long as Retry-After says, then send a valid token.',
  },
  FORBIDDEN: { status: 403, retryable: false, words: 'You may not do this.' },
  NOT_FOUND: { status: 404, retryable: false, words: 'There is no such thing, or you may not see it.' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, words: 'Only GET and HEAD are answered here.' },
  BAD_CRON: { status: 400, retryable: false, words: 'This is not a cron expression that comes again and again.' },
  UNKNOWN_TIME_ZONE: { status: 400, retryable: false, words: 'There is no such time zone.' },
  TOO_FREQUENT: { status: 400, retryable: false, words: 'The times of the schedule come too close to each other.' },
  CONFLICT: { status: 409, retryable: true, words: 'This is not possible in the present state.' },
  DUPLICATE_STORAGE: { status: 409, retryable: false, words: 'This place is already connected to the project.' },
  OVERLAPPING_STORAGE: {
    status: 409,
    retryable: false,
    words: 'An import and an export of this project would share a place.',
  },
  SECRETS_REQUIRED: {
    status: 400,
    retryable: false,
    words: 'The stored secrets belong to another location. Enter them again.',
  },
  LOCATION_INVALID: {
    status: 422,
    retryable: false,
    words: 'The stored location of the storage is not valid. Correct it and save the storage again.',
  },
  CHECK_FAILED: { status: 422, retryable: true, words: 'The connection does not work.' },
  COST_LIMIT: { status: 400, retryable: false, words: 'The operation asks for too much at once.' },
  OPERATION_TIMEOUT: {
    status: 503,
    retryable: true,
    words: 'The operation took too long and was stopped. Ask for less at once.',
  },
  TOO_MANY_OPERATIONS: {
    status: 429,
    retryable: true,
    words: 'This token has too many operations in progress. Wait until some have ended.',
  },
  REQUEST_TOO_LARGE: { status: 413, retryable: false, words: 'The request is too large. Send less at once.' },
  REQUEST_TIMEOUT: { status: 408, retryable: true, words: 'The request arrived too slowly.' },
  RESPONSE_TOO_LARGE: {
    status: 400,
    retryable: false,
    words: 'The response would be too large. Ask for smaller pages, or for fewer fields.',
  },
  TOO_MANY_STREAMS: { status: 503, retryable: true, words: 'Too many streams are open. Try again soon.' },
  TOO_MANY_SUBSCRIPTIONS: {
    status: 429,
    retryable: true,
    words: 'Too many subscriptions are open. Close some of them, or ask the operator to raise the limit.',
  },
  TOO_MANY_REQUESTS: { status: 429, retryable: true, words: 'Too many requests in a short time.' },
  INTERNAL: { status: 500, retryable: true, words: 'Something went wrong on our side.' },

  BAD_CREDENTIALS: {
    status: 502,
    retryable: false,
    words: 'The credentials are not accepted. Check the key id and the secret.',
  },
  AMBIENT_CREDENTIALS_DISABLED: {
    status: 502,
    retryable: false,
    words: "The server's own identity is not enabled for this storage (AMBIENT_CREDENTIALS).",
  },
  DENIED: { status: 502, retryable: false, words: 'The credentials are valid, but may not do this.' },
  NO_SUCH_BUCKET: { status: 502, retryable: false, words: 'There is no bucket or container of this name.' },
  WRONG_REGION: { status: 502, retryable: false, words: 'The bucket is in another region.' },
  CLOCK_SKEW: {
    status: 502,
    retryable: false,
    words: 'The clocks of this server and of the storage differ by more than the storage accepts.',
  },
  EMPTY_PREFIX: { status: 422, retryable: false, words: 'No object was found under this prefix.' },
  BLOCKED_ADDRESS: {
    status: 422,
    retryable: false,
    words: 'The server may not connect to this address.',
  },
  UNRESOLVABLE_HOST: { status: 504, retryable: true, words: 'The host name of the endpoint cannot be resolved.' },
  CONNECTION_REFUSED: { status: 504, retryable: true, words: 'The endpoint refuses connections.' },
  TLS_FAILED: { status: 504, retryable: false, words: 'No trusted TLS connection to the endpoint is possible.' },
  TIMEOUT: { status: 504, retryable: true, words: 'The storage did not answer in time.' },
  UNREACHABLE: { status: 504, retryable: true, words: 'The storage cannot be reached.' },
  THROTTLED: { status: 503, retryable: true, words: 'The storage asks to slow down.' },
  OBJECT_MISSING: { status: 404, retryable: false, words: 'The object does not exist.' },
  PRECONDITION_FAILED: { status: 412, retryable: true, words: 'The object has changed.' },
  RANGE_UNSATISFIABLE: { status: 416, retryable: false, words: 'The range lies past the end of the object.' },
  CONSOLE_URL: {
    status: 422,
    retryable: false,
    words: 'This is the address of a website or console, not of the storage API.',
  },
  UNEXPECTED_ANSWER: { status: 502, retryable: true, words: 'The storage answered in a way that is not understood.' },
  REMOTE_RESPONSE_TOO_LARGE: {
    status: 502,
    retryable: false,
    words: 'The storage sent a larger response than the server accepts.',
  },
  WRONG_TYPE: {
    status: 422,
    retryable: false,
    words: 'The key holds a list, hash or another structure, not a string.',
  },
  KEY_NOT_TEXT: { status: 422, retryable: false, words: 'The key is not text (UTF-8), so it cannot be used.' },
  KEY_HAS_DOT_SEGMENTS: {
    status: 422,
    retryable: false,
    words:
      'The key has a "." or ".." segment, which a proxy before this endpoint could turn into another key. Rename the object.',
  },
  REDIS_CLUSTER: {
    status: 422,
    retryable: false,
    words: 'This is a node of a Redis Cluster or a Sentinel. Only standalone servers are supported.',
  },
  REDIS_DATABASE_ZERO: {
    status: 422,
    retryable: false,
    words: 'Exports cannot go to database 0, which everything uses by default. Choose another database.',
  },
  LOCAL_FILES_DISABLED: {
    status: 422,
    retryable: false,
    words: 'Local storages are disabled. Set LOCAL_FILES_ROOT on the server.',
  },
  LOCAL_PATH_OUTSIDE_ROOT: { status: 422, retryable: false, words: 'The path leaves LOCAL_FILES_ROOT.' },
  LOCAL_PATH_IS_ROOT: {
    status: 422,
    retryable: false,
    words: 'Choose a folder inside LOCAL_FILES_ROOT, not the root.',
  },
  LOCAL_PATH_MISSING: { status: 422, retryable: false, words: 'There is no such folder.' },

  NOT_JSON: { status: 422, retryable: false, words: 'The object is not valid JSON.' },
  NOT_A_TASK: { status: 422, retryable: false, words: 'A task must be a JSON object.' },
  LOOKS_LIKE_CSV: {
    status: 422,
    retryable: false,
    words:
      'The object looks like CSV. Give it a name that ends in .csv or .tsv, or convert it to JSON Lines or Parquet.',
  },
  BROKEN_GZIP: { status: 422, retryable: false, words: 'The gzip data is damaged or cut off.' },
  BROKEN_ZSTD: { status: 422, retryable: false, words: 'The zstd data is damaged or cut off.' },
  BROKEN_CSV: {
    status: 422,
    retryable: false,
    words: 'The CSV is damaged: a quote is not closed, or a row does not have as many fields as the header.',
  },
  BROKEN_PARQUET: {
    status: 422,
    retryable: false,
    words: 'The Parquet file is damaged.',
  },
  UNSUPPORTED_PARQUET: {
    status: 422,
    retryable: false,
    words: 'The Parquet file uses a codec, an encoding or a type that is not supported. Write it again without it.',
  },
  ENCRYPTED_PARQUET: {
    status: 422,
    retryable: false,
    words: 'The Parquet file is encrypted. Write it again without encryption.',
  },
  BAD_COLUMN_NAMES: {
    status: 422,
    retryable: false,
    words: 'Two columns have the same name, or a column has none. Give each column its own name.',
  },
  BINARY_IN_TASKS: {
    status: 422,
    retryable: false,
    words: 'The object is not text. To import files as they are, use the import method FILES.',
  },
  NOT_UTF8: { status: 422, retryable: false, words: 'The text is not UTF-8. Save it as UTF-8.' },
  TASK_TOO_LARGE: { status: 422, retryable: false, words: 'One task is larger than can be imported.' },
  NAME_LEAVES_PREFIX: {
    status: 422,
    retryable: false,
    words: 'The name of the object would leave the prefix.',
  },
  OBJECT_CHANGED: {
    status: 409,
    retryable: false,
    words: 'The object is no longer what it was when it was imported. Its tasks were left alone.',
  },
  TOO_MANY_MISSING: {
    status: 409,
    retryable: false,
    words: 'More objects are missing than the storage allows, so nothing was done about them.',
  },
  NEW_ONLY_UNSUPPORTED: {
    status: 422,
    retryable: false,
    words: 'This storage cannot list from a key on, so it cannot be synced with NEW_ONLY. Use FULL.',
  },
  KEY_TOO_LONG: { status: 422, retryable: false, words: 'The key is too long to be linked.' },
  ENVELOPE_WITHOUT_DATA: {
    status: 422,
    retryable: false,
    words: 'Predictions or annotations need a "data" object beside them.',
  },
  BAD_ENVELOPE: { status: 422, retryable: false, words: 'The predictions or annotations of a task are malformed.' },
  LABELS_IN_DATA: {
    status: 422,
    retryable: false,
    words: 'Predictions or annotations stand inside of "data". Put them beside it.',
  },
  BODY_CUT: { status: 502, retryable: true, words: 'The object ended before all of it was read.' },
} as const satisfies Record<string, { status: number; retryable: boolean; words: string }>

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
}

/** Method that the logger calls on errors whose text is known to be ours. A symbol, so that no remote data can set it. */
const ownWords = Symbol.for('sluice.ownWords')

/** An error with a stable code and a message that may be shown to the public. What must stay inside goes into `cause`. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly remote: RemoteDetail | undefined
  constructor(code: ErrorCode, message: string = errorTable[code].words, { cause, remote }: SluiceErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SluiceError'
    this.code = code
    this.remote = remote
  }
  /** True if the same call may succeed later without any change. */
  get retryable(): boolean {
    return errorTable[this.code].retryable
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
    super('VALIDATION', fieldErrors.map((e) => `${e.path}: ${e.message}`).join(' '))
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
  constructor(message?: string) {
    super('CONFLICT', message)
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
  const { words } = errorTable.INTERNAL
  return faultId === undefined ? words : `${words} The server's log has the details under the id ${faultId}.`
}
