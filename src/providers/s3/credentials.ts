import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { fieldsOf } from '../../unknown.ts'
import { ownEndpoints, requestHandler } from './client-config.ts'
import { stsError } from './error.ts'
import { removeUserAgent } from './limited-handler.ts'
import type { S3Location, S3Secrets } from './location.ts'

/**
 * The credentials of a client: none, the key pair, or the SDK's default chain (environment, profile, web identity, container,
 * instance role). With a role, the key pair or the chain obtains a session from STS. The SDK renews a session five minutes
 * before it expires.
 */
export function credentialsConfig(place: S3Location, secrets: S3Secrets, egress: Egress): S3ClientConfig {
  if (place.anonymous) {
    return { credentials: { accessKeyId: '', secretAccessKey: '' }, signer: { sign: async (request) => request } }
  }
  const { accessKeyId, secretAccessKey, sessionToken } = secrets
  if (Boolean(accessKeyId) !== Boolean(secretAccessKey)) {
    throw new SluiceError('BAD_CREDENTIALS', 'A key pair needs both halves. Enter accessKeyId and secretAccessKey.')
  }
  const keys =
    accessKeyId && secretAccessKey
      ? { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
      : fromNodeProviderChain()
  return { credentials: place.roleArn ? assumeRole(place, place.roleArn, keys, egress) : keys }
}

type MasterCredentials = NonNullable<Parameters<typeof fromTemporaryCredentials>[0]['masterCredentials']>

function assumeRole(place: S3Location, RoleArn: string, masterCredentials: MasterCredentials, egress: Egress) {
  const assume = fromTemporaryCredentials({
    masterCredentials,
    params: {
      RoleArn,
      RoleSessionName: 'sluice',
      ...(place.externalId && { ExternalId: place.externalId }),
    },
    clientConfig: {
      ...ownEndpoints,
      region: place.region === 'AUTO' ? 'us-east-1' : place.region,
      maxAttempts: 4,
      // Sessions last long, and this client is never closed, so it keeps no connections.
      requestHandler: requestHandler(egress, { keepAlive: false }),
      ...(place.stsEndpoint && { endpoint: place.stsEndpoint }),
    },
    clientPlugins: [{ applyToStack: removeUserAgent }],
  })
  return async (caller: Parameters<typeof assume>[0]) => {
    try {
      // The SDK takes its clock offset from the refusal, but retries automatically only if the clock is wrong now.
      return await assume(caller).catch((error) => (mayBeClock(error) ? assume(caller) : Promise.reject(error)))
    } catch (error) {
      throw stsError(error, RoleArn)
    }
  }
}

/**
 * Whether STS may have refused a signature because of its time. Several codes mean that (AWS STS API reference, "Common
 * errors").
 */
const mayBeClock = (error: unknown) =>
  /^(?:SignatureDoesNotMatch|InvalidSignatureException|RequestExpired|RequestTimeTooSkewed)$/.test(
    String(fieldsOf<'name'>(error).name),
  )
