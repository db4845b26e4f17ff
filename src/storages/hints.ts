import type { ErrorCode } from '../errors.ts'

const hints: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS: 'Copy the access key id and the secret again; with temporary keys add the session token.',
  DENIED: 'Grant s3:ListBucket on the bucket and s3:GetObject on its objects to this key.',
  NO_SUCH_BUCKET: 'Check the spelling of the bucket, and the endpoint if the service is not AWS.',
  WRONG_REGION: 'Set the region of the bucket, or AUTO.',
  EMPTY_PREFIX:
    'Check the prefix: it is taken literally, and upper and lower case differ. To connect it anyway, skip the check.',
  UNRESOLVABLE_HOST: 'Check the host name of the endpoint.',
  CONNECTION_REFUSED: 'Check the port of the endpoint, and that the service runs and is reachable from the server.',
  TLS_FAILED: 'Check that the endpoint speaks https and that its certificate is valid and trusted.',
  TIMEOUT: 'Check that a firewall does not drop the connection.',
  UNREACHABLE: 'Try again; if it stays so, look at the state of the storage service.',
  CONSOLE_URL:
    'Use the URL of the S3 API, not the page on which you manage buckets. MinIO: often port 9000 instead of 9001.',
  LOCAL_FILES_DISABLED: 'Start the server with LOCAL_FILES_ROOT set to a folder.',
  LOCAL_PATH_OUTSIDE_ROOT: 'Choose a folder inside LOCAL_FILES_ROOT; a symbolic link must not lead out of it.',
  LOCAL_PATH_IS_ROOT: 'Make a folder inside LOCAL_FILES_ROOT for this storage.',
  LOCAL_PATH_MISSING: 'Create the folder on the machine the server runs on.',
}

/** What a person can do about a fault; null where there is nothing to say. */
export function hintFor(code: ErrorCode): string | null {
  return hints[code] ?? null
}
