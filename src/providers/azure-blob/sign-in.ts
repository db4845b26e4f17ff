import type { HttpClient } from '@azure/core-rest-pipeline'
import type { TokenCredential } from '@azure/identity'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { networkError } from '../network-error.ts'
import { limitedClient } from './limited-client.ts'
import { type AzureLocation, type AzureSecrets, serviceUrl } from './location.ts'

/** The one way in which a storage signs in. */
export type SignIn =
  | { accountKey: string }
  /** Without the leading `?`. */
  | { sasToken: string }
  /** A Microsoft Entra principal. */
  | { principal: TokenCredential }
  | { anonymous: true }

/** Chooses the way; without any secret the default chain of credentials. Reaches out to nothing. */
export async function signIn(place: AzureLocation, secrets: AzureSecrets, egress: Egress): Promise<SignIn> {
  const { accountKey, sasToken, clientSecret } = secrets
  if (accountKey) return { accountKey }
  if (sasToken) return { sasToken: sasToken.replace(/^\?/, '') }
  if (place.anonymous) return { anonymous: true }
  const { ClientSecretCredential, DefaultAzureCredential } = await import('@azure/identity')
  const transport = limitedClient()
  /** Why the server may not connect to where it signs in. The SDK's own error does not say. */
  let blocked: SluiceError | undefined
  const httpClient: HttpClient = {
    async sendRequest(request) {
      try {
        return await transport.sendRequest(request)
      } catch (error) {
        const fault = networkError(error)
        if (fault?.code === 'BLOCKED_ADDRESS') blocked = fault
        throw error
      }
    },
  }
  const options = { ...authorityOf(serviceUrl(place)), httpClient }
  const { tenantId, clientId } = place
  if (!clientSecret) return { principal: new DefaultAzureCredential(options) }
  if (!tenantId || !clientId) {
    throw new SluiceError(
      'BAD_CREDENTIALS',
      'A client secret needs its tenant and its client: enter tenantId and clientId.',
    )
  }
  const once = {
    ...options,
    agent: egress.agent('https:'),
    redirectOptions: { maxRetries: 0 },
    // Each request that fails is tried again with its sign-in.
    retryOptions: { maxRetries: 0 },
  }
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, once)
  const getToken: TokenCredential['getToken'] = async (...asked) => {
    blocked = undefined
    try {
      return await credential.getToken(...asked)
    } catch (error) {
      throw blocked ?? error
    }
  }
  return { principal: { getToken } }
}

/** Sovereign clouds have their own place to sign in; elsewhere the SDK's default holds (AZURE_AUTHORITY_HOST). */
function authorityOf(url: string): { authorityHost?: string } {
  const { hostname } = new URL(url)
  if (hostname.endsWith('.usgovcloudapi.net')) return { authorityHost: 'https://login.microsoftonline.us' }
  if (hostname.endsWith('.chinacloudapi.cn')) return { authorityHost: 'https://login.chinacloudapi.cn' }
  return {}
}
