import { GoogleAuth, gaxios, JWT } from 'google-auth-library'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { maxSmallBytes } from '../kit/limit-body.ts'
import { networkError } from '../network-error.ts'
import type { ServiceAccount } from './service-account.ts'

// What Google's libraries have built in, whatever the key file says.
const builtInTokenUri = 'https://oauth2.googleapis.com/token'

const storageScope = 'https://www.googleapis.com/auth/devstorage.read_write'
// With no key at hand Google signs URLs for us, which needs the wider one (IAM Credentials API, signBlob).
const cloudScope = 'https://www.googleapis.com/auth/cloud-platform'

/** Google's credentials: those of a service account's key, or without one those of this machine. Reaches out when first used. */
export function openAuth(account: ServiceAccount | undefined, egress: Egress): GoogleAuth {
  if (!account) return new GoogleAuth({ scopes: cloudScope })
  const tokenUri = account.token_uri ?? builtInTokenUri
  // An agent of ours also keeps the library from proxies of the environment, which would connect for us unchecked.
  const agent = egress.agent(new URL(tokenUri).protocol)
  // Tokens are short; `size` is that of node-fetch, which closes the connection beyond it.
  const transporter = new gaxios.Gaxios({ timeout: 15_000, agent, redirect: 'manual', size: maxSmallBytes })
  transporter.interceptors.request.add({
    resolved: async (request) =>
      request.url.href === builtInTokenUri ? Object.assign(request, { url: new URL(tokenUri) }) : request,
  })
  const auth = new GoogleAuth({
    authClient: new JWT({
      email: account.client_email,
      key: account.private_key,
      scopes: [storageScope],
      // What is signed names the endpoint that gets it, so that no other can use it (RFC 7523 §3).
      additionalClaims: { aud: tokenUri },
      transporter,
    }),
  })
  // Behind the library's own, which name its version and that of Node.
  transporter.interceptors.request.add({
    resolved: async (request) => {
      request.headers.delete('x-goog-api-client')
      request.headers.set('user-agent', 'sluice')
      return request
    },
  })
  // Where signing URLs looks for the account's name; else it would ask the metadata server.
  auth.jsonContent = { ...account }
  return auth
}

/**
 * Has the next request ask for another access token in place of `token`, which was refused. Google's library judges the end of a
 * token by the clock of this machine, which may be behind, or may have been when the token came.
 */
export async function dropToken(auth: GoogleAuth, token: string): Promise<void> {
  const { credentials } = await auth.getClient()
  if (credentials.access_token === token) credentials.expiry_date = 1
}

/** What went wrong before a request could be sent: no credentials, or Google takes them for no good ones. */
export function authError(error: unknown): SluiceError {
  const { response, message = '' } = error as { response?: { status?: number }; message?: string }
  const cause = withoutRequest(error)
  const status = response?.status
  if (status === 429) return new SluiceError('THROTTLED', undefined, { cause })
  if (status !== undefined && status >= 500) {
    return new SluiceError('UNREACHABLE', `Google's token service answered with status ${status}.`, { cause })
  }
  if (/short-lived token/i.test(message)) return new SluiceError('CLOCK_SKEW', undefined, { cause })
  const network = status === undefined ? networkError(cause) : undefined
  return network ?? new SluiceError('BAD_CREDENTIALS', words(message), { cause })
}

function words(message: string): string | undefined {
  if (/default credentials/i.test(message)) {
    return 'This server has no Google credentials of its own. Enter a service account key, or choose anonymous.'
  }
  if (/invalid_grant|invalid_client/.test(message)) {
    return 'Google does not accept the service account key: it was deleted or disabled.'
  }
  return undefined
}

/** The error without the request that it carries along, which holds tokens and signed assertions. */
export function withoutRequest(error: unknown): unknown {
  if (!(error instanceof gaxios.GaxiosError)) return error
  const { code, status, cause } = error
  const slim = new Error('A request to Google failed.', cause instanceof Error ? { cause } : {})
  return Object.assign(slim, { name: 'GaxiosError', code, status })
}
