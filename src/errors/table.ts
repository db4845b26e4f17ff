import type { ErrorDefinition } from './definition.ts'
import { importErrors } from './import-errors.ts'

/** Every error code the product can show, with its HTTP status, whether trying again later may help, and words for the public. */
export const errorTable = {
  VALIDATION: { status: 400, retryable: false, message: 'The input is invalid. fieldErrors names each invalid field.' },
  UNAUTHENTICATED: { status: 401, retryable: false, message: 'Send an API token: Authorization: Bearer <token>.' },
  TOO_MANY_WRONG_TOKENS: {
    status: 429,
    retryable: true,
    message: 'Too many wrong tokens came from this address. Wait as long as Retry-After says, then send a valid token.',
  },
  FORBIDDEN: { status: 403, retryable: false, message: 'The token does not permit this operation.' },
  NOT_FOUND: { status: 404, retryable: false, message: 'The object does not exist, or you may not see it.' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, message: 'Only GET and HEAD are allowed here.' },
  BAD_CRON: {
    status: 400,
    retryable: false,
    message: 'The cron expression is invalid, or has no repeating time.',
  },
  UNKNOWN_TIME_ZONE: {
    status: 400,
    retryable: false,
    message: 'The time zone is unknown. Use an IANA name such as Europe/Berlin.',
  },
  TOO_FREQUENT: {
    status: 400,
    retryable: false,
    message: 'The schedule starts syncs too often. Use longer intervals.',
  },
  IMPORT_METHOD_IN_USE: {
    status: 409,
    retryable: false,
    message: 'The storage has links to tasks, so its import method cannot be changed. Create another storage.',
  },
  STORAGE_PAUSED: {
    status: 409,
    retryable: false,
    message:
      'The storage is paused, so no sync or export of it can start. Set its synchronizable to true to resume it.',
  },
  STORAGE_CHANGED: {
    status: 409,
    retryable: true,
    message:
      'The location, a filter or the method of the storage was changed during the run (STORAGE_CHANGED). The run has written nothing since. The results before are saved. Start the sync again.',
  },
  PENDING_EXPORTS: {
    status: 409,
    retryable: true,
    message: 'Exports are pending that would be lost. Wait until they are written, or set force to lose them.',
  },
  CONFLICT: { status: 409, retryable: true, message: 'This is not possible in the current state.' },
  DUPLICATE_STORAGE: { status: 409, retryable: false, message: 'This location is already connected to the project.' },
  OVERLAPPING_STORAGE: {
    status: 409,
    retryable: false,
    message: 'An import storage and an export storage of this project would overlap.',
  },
  SECRETS_REQUIRED: {
    status: 400,
    retryable: false,
    message: 'The stored secrets belong to another location. Enter them again.',
  },
  LOCATION_INVALID: {
    status: 422,
    retryable: false,
    message: 'The stored location of the storage is not valid. Correct it and save the storage again.',
  },
  CHECK_FAILED: { status: 422, retryable: true, message: 'The connection does not work.' },
  COST_LIMIT: { status: 400, retryable: false, message: 'The operation requests too much data.' },
  OPERATION_TIMEOUT: {
    status: 503,
    retryable: true,
    message: 'The operation took too long and was stopped. Request less at once.',
  },
  TOO_MANY_OPERATIONS: {
    status: 429,
    retryable: true,
    message: 'This token has too many operations in progress. Wait until some have ended.',
  },
  REQUEST_TOO_LARGE: { status: 413, retryable: false, message: 'The request is too large. Send less at once.' },
  REQUEST_TIMEOUT: { status: 408, retryable: true, message: 'The request arrived too slowly.' },
  RESPONSE_TOO_LARGE: {
    status: 400,
    retryable: false,
    message: 'The response would be too large. Request smaller pages, or fewer fields.',
  },
  TOO_MANY_STREAMS: { status: 503, retryable: true, message: 'Too many streams are open. Try again soon.' },
  TOO_MANY_SUBSCRIPTIONS: {
    status: 429,
    retryable: true,
    message: 'Too many subscriptions are open. Close some of them, or ask the operator to raise the limit.',
  },
  TOO_MANY_REQUESTS: { status: 429, retryable: true, message: 'Too many requests in a short time.' },
  INTERNAL: { status: 500, retryable: true, message: 'An internal error occurred.' },

  BAD_CREDENTIALS: {
    status: 502,
    retryable: false,
    message: 'The storage does not accept the credentials. Check the key id and the secret.',
  },
  AMBIENT_CREDENTIALS_DISABLED: {
    status: 502,
    retryable: false,
    message: "The server's own identity is not enabled for this storage (AMBIENT_CREDENTIALS).",
  },
  DENIED: { status: 502, retryable: false, message: 'The credentials are valid, but lack the permission for this.' },
  NO_SUCH_BUCKET: { status: 502, retryable: false, message: 'The bucket or container does not exist.' },
  WRONG_REGION: { status: 502, retryable: false, message: 'The bucket is in another region.' },
  CLOCK_SKEW: {
    status: 502,
    retryable: false,
    message: 'The clocks of this server and of the storage differ by more than the storage accepts.',
  },
  EMPTY_PREFIX: { status: 422, retryable: false, message: 'No object was found under this prefix.' },
  BLOCKED_ADDRESS: {
    status: 422,
    retryable: false,
    message: 'The server may not connect to this address.',
  },
  UNRESOLVABLE_HOST: { status: 504, retryable: true, message: 'The host name of the endpoint cannot be resolved.' },
  CONNECTION_REFUSED: { status: 504, retryable: true, message: 'The endpoint refuses connections.' },
  TLS_FAILED: { status: 504, retryable: false, message: 'No trusted TLS connection to the endpoint is possible.' },
  TIMEOUT: { status: 504, retryable: true, message: 'The storage did not answer in time.' },
  UNREACHABLE: { status: 504, retryable: true, message: 'The storage cannot be reached.' },
  THROTTLED: { status: 503, retryable: true, message: 'The storage asks to slow down.' },
  OBJECT_TOO_LARGE: {
    status: 502,
    retryable: false,
    message: 'The storage, or a proxy in front of it, does not accept an object of this size.',
  },
  STORAGE_FULL: { status: 502, retryable: true, message: 'The storage has no space left.' },
  OBJECT_MISSING: { status: 404, retryable: false, message: 'The object does not exist.' },
  ARCHIVED: {
    status: 409,
    retryable: false,
    message: 'The object is archived. Restore it from its archive tier, and try again when that is done.',
  },
  PRECONDITION_FAILED: { status: 412, retryable: true, message: 'The object has changed.' },
  RANGE_UNSATISFIABLE: { status: 416, retryable: false, message: 'The range lies past the end of the object.' },
  CONSOLE_URL: {
    status: 422,
    retryable: false,
    message: 'This is the address of a website or console, not of the storage API.',
  },
  UNEXPECTED_ANSWER: { status: 502, retryable: true, message: 'The response of the storage is invalid.' },
  REMOTE_RESPONSE_TOO_LARGE: {
    status: 502,
    retryable: false,
    message: 'The storage sent a larger response than the server accepts.',
  },
  WRONG_TYPE: {
    status: 422,
    retryable: false,
    hasNoBytes: true,
    message: 'The key holds a list, hash or another structure, not a string.',
  },
  KEY_NOT_TEXT: {
    status: 422,
    retryable: false,
    hasNoBytes: true,
    message: 'The key is not text (UTF-8), so it cannot be used.',
  },
  KEY_HAS_DOT_SEGMENTS: {
    status: 422,
    retryable: false,
    hasNoBytes: true,
    message:
      'The key has a "." or ".." segment, which a proxy before this endpoint could turn into another key. Rename the object.',
  },
  REDIS_CLUSTER: {
    status: 422,
    retryable: false,
    message: 'This is a node of a Redis Cluster or a Sentinel. Only standalone servers are supported.',
  },
  REDIS_DATABASE_ZERO: {
    status: 422,
    retryable: false,
    message:
      'Redis database 0 cannot be an export target, because other programs use it by default. Choose another database.',
  },
  LOCAL_FILES_DISABLED: {
    status: 422,
    retryable: false,
    hasNoBytes: true,
    message: 'Local storages are disabled. Set LOCAL_FILES_ROOT on the server.',
  },
  LOCAL_PATH_OUTSIDE_ROOT: {
    status: 422,
    retryable: false,
    hasNoBytes: true,
    message: 'The path leaves LOCAL_FILES_ROOT.',
  },
  LOCAL_PATH_IS_ROOT: {
    status: 422,
    retryable: false,
    hasNoBytes: true,
    message: 'Choose a folder inside LOCAL_FILES_ROOT, not the root.',
  },
  LOCAL_PATH_MISSING: { status: 422, retryable: false, hasNoBytes: true, message: 'The folder does not exist.' },
  ...importErrors,
} as const satisfies Record<string, ErrorDefinition>
