import type { ErrorCode } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'

const hints: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS: 'Copy the credentials again; take care of spaces at their ends.',
  AMBIENT_CREDENTIALS_DISABLED:
    'Enter credentials, or choose anonymous for public objects; the operator can enable the identity of the server with AMBIENT_CREDENTIALS.',
  DENIED: 'Let these credentials list the place and read its objects; for exports also write and delete them.',
  NO_SUCH_BUCKET: 'Check the spelling of the bucket, and the endpoint if there is one.',
  WRONG_REGION: 'Set the region of the bucket, or AUTO.',
  EMPTY_PREFIX: 'Check the prefix: it is literal and case-sensitive. To connect it anyway, skip the check.',
  BLOCKED_ADDRESS: 'Use another endpoint, or let the operator of the server change the setting that the message names.',
  UNRESOLVABLE_HOST: 'Check the host name of the endpoint.',
  CONNECTION_REFUSED: 'Check the port of the endpoint, and that the service runs and is reachable from the server.',
  TLS_FAILED: 'Check that the endpoint speaks https and that its certificate is valid and trusted.',
  TIMEOUT: 'Check that a firewall does not drop the connection.',
  UNREACHABLE: 'Try again; if it stays so, look at the state of the storage service.',
  CONSOLE_URL: 'Use the URL of the API, not of the page on which you manage the storage.',
  CLOCK_SKEW: 'Set the clock of the machine that the server runs on.',
  THROTTLED: 'Try again in a minute; if it stays so, raise the limits of the storage.',
  UNEXPECTED_ANSWER: "Check that the endpoint is that of the storage's API; the server's log contains its response.",
  ARCHIVED:
    'Restore the objects from their archive tier, or name a prefix whose objects can be read. To connect it anyway, skip the check.',
  OBJECT_TOO_LARGE: 'Raise the limit of the storage, or of the proxy before it (nginx: client_max_body_size).',
  STORAGE_FULL: 'Free space at the storage, or raise its quota; then try again.',
  OBJECT_MISSING: 'The object vanished during the check: try again.',
  INTERNAL: "See the server's log.",
  LOCAL_FILES_DISABLED: 'Start the server with LOCAL_FILES_ROOT set to a folder.',
  LOCAL_PATH_OUTSIDE_ROOT: 'Choose a folder inside LOCAL_FILES_ROOT; a symbolic link must not lead out of it.',
  LOCAL_PATH_IS_ROOT: 'Make a folder inside LOCAL_FILES_ROOT for this storage.',
  LOCAL_PATH_MISSING: 'Create the folder on the machine the server runs on.',
}

/** What a person can do about an error of this kind of storage. Null if there is no hint. */
export function hintFor(code: ErrorCode, provider: ProviderName): string | null {
  const { hints: own }: ProviderKind = providers[provider]
  return own?.[code] ?? hints[code] ?? null
}
