import type { HttpClient } from '@azure/core-rest-pipeline'
import type { TokenCredential } from '@azure/identity'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { networkError } from '../network-error.ts'
import { limitedClient } from './limited-client.ts'
import { type AzureLocation, type AzureSecrets, serviceUrl } from './location.ts'

/** How a storage signs in. */
export type SignIn =
  | { accountKey: string }
  /** Without the leading `?`. */
  | { sasToken: string }
  /** A Microsoft Entra principal. */
  | { principal: TokenCredential }
  | { anonymous: true }

/** Chooses how to sign in: with the given secret, or without any with the default credential chain. Sends no request. */
export async function signIn(place: AzureLocation, secrets: AzureSecrets, egress: Egress): Promise<SignIn> {
  const { accountKey, sasToken, clientSecret } = secrets
  if (accountKey) return { accountKey }
  if (sasToken) return { sasToken: sasToken.replace(/^\?/, '') }
  if (place.anonymous) return { anonymous: true }
  const { ClientSecretCredential, DefaultAzureCredential } = await import('@azure/identity')
  const transport = limitedClient()
  /** The error if the sign-in host is a blocked address. The SDK's own error does not contain it. */
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
    // `withRetries` retries a failed request together with its sign-in.
    retryOptions: { maxRetries: 0 },
  }
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, once)
  const getToken: TokenCredential['getToken'] = async (...pending) => {
    blocked = undefined
    try {
      return await credential.getToken(...pending)
    } catch (error) {
      throw blocked ?? error
    }
  }
  return { principal: { getToken } }
}

/** Sovereign clouds have their own sign-in hosts. For other endpoints, the SDK's default applies (AZURE_AUTHORITY_HOST). */
function authorityOf(url: string): { authorityHost?: string } {
  const { hostname } = new URL(url)
  if (hostname.endsWith('.usgovcloudapi.net')) return { authorityHost: 'https://login.microsoftonline.us' }
  if (hostname.endsWith('.chinacloudapi.cn')) return { authorityHost: 'https://login.chinacloudapi.cn' }
  return {}
}
