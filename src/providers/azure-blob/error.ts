import { type ErrorCode, SluiceError } from '../../errors.ts'
import { toError } from '../../unknown.ts'
import { isCloudHost } from '../kit/cloud-hosts.ts'
import { remoteDetail } from '../kit/remote-detail.ts'
import { networkError } from '../network-error.ts'
import { tableOf } from '../table.ts'
import { type AzureLocation, serviceUrl } from './location.ts'

/** Codes of Azure ("Common REST API error codes", "Blob Storage error codes") whose status would give a wrong `ErrorCode`. */
const codes = tableOf<ErrorCode>({
  AuthenticationFailed: 'BAD_CREDENTIALS',
  InvalidAuthenticationInfo: 'BAD_CREDENTIALS',
  AccountIsDisabled: 'DENIED',
  BlobArchived: 'ARCHIVED',
  BlobBeingRehydrated: 'ARCHIVED',
  BlobImmutableDueToPolicy: 'DENIED',
  ContainerDisabled: 'DENIED',
  KeyBasedAuthenticationNotPermitted: 'DENIED',
  LeaseIdMissing: 'DENIED',
  NoAuthenticationInformation: 'DENIED',
  PublicAccessNotPermitted: 'DENIED',
  ContainerBeingDeleted: 'NO_SUCH_BUCKET',
  ContainerNotFound: 'NO_SUCH_BUCKET',
  BlobNotFound: 'OBJECT_MISSING',
  ResourceNotFound: 'OBJECT_MISSING',
  ConditionNotMet: 'PRECONDITION_FAILED',
  InvalidRange: 'RANGE_UNSATISFIABLE',
  Md5Mismatch: 'CHECKSUM_MISMATCH',
  ServerBusy: 'THROTTLED',
  TooManyRequests: 'THROTTLED',
})

const statuses: Record<number, ErrorCode> = {
  401: 'BAD_CREDENTIALS',
  403: 'DENIED',
  404: 'OBJECT_MISSING',
  408: 'TIMEOUT',
  412: 'PRECONDITION_FAILED',
  413: 'OBJECT_TOO_LARGE',
  416: 'RANGE_UNSATISFIABLE',
  429: 'THROTTLED',
  503: 'THROTTLED',
  // RFC 4918 §11.5, from compatible servers.
  507: 'STORAGE_FULL',
}

/** Messages for codes of Azure, where the message of our code would mislead. */
const messages = tableOf<string>({
  AccountIsDisabled: 'The storage account is disabled.',
  AuthorizationFailure: 'The storage account does not allow this: its firewall, or the permissions given.',
  AuthorizationSourceIPMismatch: "The SAS token is not valid from the server's IP address.",
  BlobImmutableDueToPolicy: 'A policy of the container forbids to change or remove the object.',
  KeyBasedAuthenticationNotPermitted: 'The storage account does not allow account keys: use a service principal.',
  LeaseIdMissing: 'The object is locked by a lease.',
  NoAuthenticationInformation: 'The container is not public.',
  PublicAccessNotPermitted: 'The storage account allows no public access.',
})

/** Advice for errors that a role or a SAS with more rights would not fix. */
const hintsOf = tableOf<string>({
  AccountIsDisabled: 'Enable the storage account, or pay what is due for its subscription.',
  AuthorizationFailure:
    'Let the network of this server in (storage account → Networking), or check what the SAS token permits (sp=rl, for exports ' +
    'sp=racwdl) and for which services and resources.',
  AuthorizationSourceIPMismatch: 'Make a SAS token without an IP range, or with one that this server is in.',
  BlobArchived: 'Move the object to another tier (az storage blob set-tier --tier Hot), and wait some hours.',
  BlobBeingRehydrated: 'Wait until the object is back from the archive tier; that takes some hours.',
  BlobImmutableDueToPolicy: 'Choose a container without an immutability policy, or wait for its end.',
  ContainerDisabled: 'Let the owner of the storage account enable the container.',
  KeyBasedAuthenticationNotPermitted:
    'Enter a service principal, or allow key access (storage account → Configuration → Allow storage account key access).',
  LeaseIdMissing: 'End the lease of the object (az storage blob lease break).',
  NoAuthenticationInformation:
    'Enter credentials and switch anonymous off, or set the public access level: az storage container set-permission --name ' +
    'CONTAINER --account-name ACCOUNT --public-access container.',
  PublicAccessNotPermitted:
    'Enter credentials and switch anonymous off, or allow public access (storage account → Configuration → Allow Blob anonymous access).',
})

/** Other codes that may be shown as they are. */
const otherCodes = `AuthorizationPermissionMismatch AuthorizationProtocolMismatch AuthorizationResourceTypeMismatch
  AuthorizationServiceMismatch BlobAlreadyExists ContainerAlreadyExists EmptyMetadataKey FeatureVersionMismatch
  InsufficientAccountPermissions InternalError InvalidBlobOrBlock InvalidBlobType InvalidHeaderValue InvalidInput
  InvalidMarker InvalidMd5 InvalidQueryParameterValue InvalidResourceName InvalidUri InvalidXmlDocument LeaseIdMismatch
  MaxBlobSizeConditionNotMet MissingRequiredHeader MultipleConditionHeadersNotSupported OperationTimedOut
  OutOfRangeInput OutOfRangeQueryParameterValue RequestBodyTooLarge RequestUrlFailedToParse ResourceTypeMismatch
  SnapshotsPresent UnsupportedHeader UnsupportedHttpVerb UnsupportedQueryParameter`

const known = new Set([...Object.keys(codes), ...Object.keys(messages), ...otherCodes.split(/\s+/)])

/** An error of the SDK, as far as it is read. */
export interface SdkError extends Error {
  code?: string
  statusCode?: number
  /** The errors of each member of a credential chain. */
  errors?: Error[]
  details?: { errorCode?: string }
  response?: { bodyAsText?: string | null; headers?: { get(name: string): string | undefined } }
}

/** The request that failed. */
interface RequestedOperation {
  place: AzureLocation
  /** The requested object, if any. */
  key: string | undefined
  /** Expiry of the SAS token in the request, in milliseconds since 1970. */
  sasEndsAt?: number | undefined
}

/** Wraps an error of the SDK, once, at the edge of the provider. */
export function azureError(error: unknown, requested: RequestedOperation): SluiceError {
  if (error instanceof SluiceError) return error
  const sdk: SdkError = toError(error)
  const status = sdk.statusCode
  if (isSignInFault(sdk)) return signInError(sdk, requested.place)
  // The header contains the code, too; responses to HEAD have no body.
  const name = sdk.response?.headers?.get('x-ms-error-code') ?? sdk.details?.errorCode ?? sdk.code ?? ''
  const isCloud = isCloudHost('AZURE', serviceUrl(requested.place))
  const requestId = isCloud ? sdk.response?.headers?.get('x-ms-request-id') : undefined
  const options = {
    cause: error,
    remote: remoteDetail({ status, code: status === undefined ? undefined : name, known, requestId }),
  }
  // An overloaded proxy in front of the storage answers with HTML, too.
  const passing = status !== undefined && (status === 408 || status === 413 || status === 429 || status >= 500)
  if (!codes[name] && !passing && isPage(sdk)) return new SluiceError('CONSOLE_URL', undefined, options)
  const code = codeOf(name, sdk, requested)
  const hint = code === 'DENIED' ? hintsOf[requested.place.anonymous ? 'NoAuthenticationInformation' : name] : undefined
  if (code) return new SluiceError(code, messageFor(code, name, requested), { ...options, hint })
  const network = networkError(error)
  if (network?.code === 'UNRESOLVABLE_HOST' && !requested.place.endpoint) {
    const { host } = new URL(serviceUrl(requested.place))
    return new SluiceError('UNRESOLVABLE_HOST', `The host name ${host} of the account cannot be resolved.`, options)
  }
  if (network) return network
  if (status !== undefined && status >= 500)
    return new SluiceError('UNREACHABLE', `The storage answered with status ${status}.`, options)
  return new SluiceError('UNEXPECTED_ANSWER', unexpected(sdk, name), options)
}

function codeOf(
  name: string,
  { message, statusCode = 0, response }: SdkError,
  requested: RequestedOperation,
): ErrorCode | undefined {
  const code = codes[name] ?? statuses[statusCode]
  if (isLate(response)) return 'CLOCK_SKEW'
  if (name === 'InvalidOperation' && mentionsMd5(response)) return 'CHECKSUM_MISMATCH'
  const { anonymous } = requested.place
  // Azurite answers with 403 and this message where Azure answers with AuthenticationFailed.
  const isUnknown = code === 'BAD_CREDENTIALS' || (code === 'DENIED' && /failed to authenticate/i.test(message))
  if (isUnknown || (code === 'DENIED' && hasExpired(requested))) return anonymous ? 'DENIED' : 'BAD_CREDENTIALS'
  // For anonymous requests, Azure says that private resources do not exist.
  const isContainer = requested.key === undefined || (name === 'ResourceNotFound' && anonymous)
  return code === 'OBJECT_MISSING' && isContainer ? 'NO_SUCH_BUCKET' : code
}

function messageFor(code: ErrorCode, name: string, requested: RequestedOperation): string | undefined {
  const { place, sasEndsAt = 0 } = requested
  if (code === 'NO_SUCH_BUCKET')
    return `There is no ${place.anonymous ? 'public ' : ''}container "${place.container}" at ${serviceUrl(place)}.`
  if (code === 'DENIED') return place.anonymous ? messages.NoAuthenticationInformation : messages[name]
  if (code !== 'BAD_CREDENTIALS') return undefined
  if (hasExpired(requested)) return `The SAS token expired at ${new Date(sasEndsAt).toISOString()}.`
  return 'Azure does not accept the credentials.'
}

// AuthenticationErrorDetail of AuthenticationFailed, for a request that is older than 15 minutes.
const isLate = (response: SdkError['response']) => /date header (is )?too old/i.test(response?.bodyAsText ?? '')

// Azurite's message where Azure answers with Md5Mismatch.
const mentionsMd5 = (response: SdkError['response']) => /MD5 doesn't match/i.test(response?.bodyAsText ?? '')

const hasExpired = ({ sasEndsAt = Number.POSITIVE_INFINITY }: RequestedOperation) => sasEndsAt < Date.now()

const isPage = ({ response }: SdkError) =>
  response?.headers?.get('content-type')?.includes('html') || /^\s*<(!doctype )?html/i.test(response?.bodyAsText ?? '')

function unexpected(sdk: SdkError, name: string): string | undefined {
  if (name === 'InvalidHeaderValue' && /x-ms-version/i.test(sdk.response?.bodyAsText ?? ''))
    return 'The endpoint is too old for this version of the API. Azurite: start it with --skipApiVersionCheck.'
  return known.has(name) ? `The storage answered with ${name}.` : undefined
}

/** Whether the error is from @azure/identity. */
const isSignInFault = ({ name }: Error) =>
  /^(AuthenticationError|AggregateAuthenticationError|AuthenticationRequiredError|CredentialUnavailableError)$/.test(
    name,
  )

const unreachable = /ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|network_error|endpoints_resolution/

function signInError(error: SdkError, place: AzureLocation): SluiceError {
  const options = { cause: error }
  const { statusCode = 0, message } = error
  if (statusCode === 429 || statusCode === 503) return new SluiceError('THROTTLED', undefined, options)
  // In a chain, a machine without a managed identity cannot reach its address. That is not a network error.
  const messages = error.errors?.map((one) => one.message).filter((one) => !/managed ?identity|IMDS/i.test(one)) ?? [
    message,
  ]
  if (statusCode >= 500 || messages.some((one) => unreachable.test(one)))
    return new SluiceError('UNREACHABLE', 'Microsoft Entra cannot be reached to sign in.', options)
  const explain = place.clientId
    ? 'Microsoft Entra does not accept the tenant id, client id or client secret.'
    : 'The server has no Azure credentials of its own. Enter an account key, a SAS token or a service principal.'
  return new SluiceError('BAD_CREDENTIALS', explain, options)
}
