import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { waitFor } from './wait-for.ts'

/** A stand-in for Microsoft Entra that gives tokens for one client secret, of the kind Azurite believes. */
export interface Entra {
  /** What AZURE_AUTHORITY_HOST must be; the tenant is `adfs`, for which the SDK asks nobody else. */
  authorityHost: string
  clientId: string
  clientSecret: string
  /** How many tokens were given. */
  readonly tokens: number
  stop(): Promise<void>
}

export async function startEntra(tls: { cert: string; key: string }): Promise<Entra> {
  const [clientId, clientSecret] = ['11111111-2222-3333-4444-555555555555', 'a-secret~that+nobody/knows']
  let tokens = 0
  const server = createServer(tls, async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const base = `https://${request.headers.host}/adfs`
    if (request.method === 'GET') {
      return answer(200, {
        issuer: base,
        authorization_endpoint: `${base}/oauth2/authorize`,
        token_endpoint: `${base}/oauth2/token`,
        jwks_uri: `${base}/discovery/keys`,
      })
    }
    const asked = new URLSearchParams(await text(request))
    if (asked.get('client_id') !== clientId || asked.get('client_secret') !== clientSecret) {
      return answer(401, {
        error: 'invalid_client',
        error_description: 'AADSTS7000215: Invalid client secret provided.',
      })
    }
    tokens++
    answer(200, { token_type: 'Bearer', expires_in: 3600, access_token: storageToken() })
  })
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  return {
    authorityHost: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clientId,
    clientSecret,
    get tokens() {
      return tokens
    },
    async stop() {
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
}

/** A token for storage; Azurite reads what it says but checks no signature. */
function storageToken(): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    aud: 'https://storage.azure.com',
    iss: 'https://sts.windows.net/adfs/',
    iat: now,
    nbf: now - 60,
    exp: now + 3600,
    oid: '66666666-7777-8888-9999-000000000000',
    tid: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  }
  return [{ alg: 'RS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat('signature')
    .join('.')
}
