import { GoogleAuth, gaxios, JWT } from 'google-auth-library'
import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { toError } from '../../unknown.ts'
import { maxSmallBytes } from '../kit/limit-body.ts'
import { networkError } from '../network-error.ts'
import type { ServiceAccount } from './service-account.ts'

// Google's libraries always use this URL, whatever the key file says.
const builtInTokenUri = 'https://oauth2.googleapis.com/token'

const storageScope = 'https://www.googleapis.com/auth/devstorage.read_write'
// Without a key, Google signs URLs for us, which needs this wider scope (IAM Credentials API, signBlob).
const cloudScope = 'https://www.googleapis.com/auth/cloud-platform'

/** Google credentials: those of a service account key, or without one those of this machine. Sends nothing before first use. */
export function openAuth(account: ServiceAccount | undefined, egress: Egress): GoogleAuth {
  if (!account) return new GoogleAuth({ scopes: cloudScope })
  const tokenUri = account.token_uri ?? builtInTokenUri
  // With our own agent, the library ignores proxies of the environment, whose connections we could not check.
  const agent = egress.agent(new URL(tokenUri).protocol)
  // Tokens are short. `size` is an option of node-fetch: it closes the connection when a response is longer.
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
      // The signed assertion names the endpoint that receives it, so that no other endpoint can use it (RFC 7523 §3).
      additionalClaims: { aud: tokenUri },
      transporter,
    }),
  })
  // Runs after the library's interceptors, which add the versions of the library and of Node.
  transporter.interceptors.request.add({
    resolved: async (request) => {
      request.headers.delete('x-goog-api-client')
      request.headers.set('user-agent', 'sluice')
      return request
    },
  })
  // The URL signer reads the account's name here. Otherwise it would ask the metadata server.
  auth.jsonContent = { ...account }
  return auth
}

/**
 * Makes the next request fetch a new access token, because `token` was refused. Google's library checks the expiry of a token
 * by the clock of this machine, which may be slow, or may have been wrong when the token arrived.
 */
export async function dropToken(auth: GoogleAuth, token: string): Promise<void> {
  const { credentials } = await auth.getClient()
  if (credentials.access_token === token) credentials.expiry_date = 1
}

/** Wraps an error of getting an access token: there are no credentials, Google refuses them, or its service is unreachable. */
export function authError(error: unknown): SluiceError {
  const { response, message }: Error & { response?: { status?: number } } = toError(error)
  const cause = withoutRequest(error)
  const status = response?.status
  if (status === 429) return new SluiceError('THROTTLED', undefined, { cause })
  if (status !== undefined && status >= 500) {
    return new SluiceError('UNREACHABLE', `Google's token service answered with status ${status}.`, { cause })
  }
  if (/short-lived token/i.test(message)) return new SluiceError('CLOCK_SKEW', undefined, { cause })
  const network = status === undefined ? networkError(cause) : undefined
  return network ?? new SluiceError('BAD_CREDENTIALS', explanation(message), { cause })
}

function explanation(message: string): string | undefined {
  if (/default credentials/i.test(message)) {
    return 'This server has no Google credentials of its own. Enter a service account key, or choose anonymous.'
  }
  if (/invalid_grant|invalid_client/.test(message)) {
    return 'Google does not accept the service account key: it was deleted or disabled.'
  }
  return undefined
}

/** The error without its request, which contains tokens and signed assertions. */
export function withoutRequest(error: unknown): unknown {
  if (!(error instanceof gaxios.GaxiosError)) return error
  const { code, status, cause } = error
  const slim = new Error('A request to Google failed.', cause instanceof Error ? { cause } : {})
  return Object.assign(slim, { name: 'GaxiosError', code, status })
}
