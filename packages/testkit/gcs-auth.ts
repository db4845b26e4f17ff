import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto'
import type { GcsRequest } from './gcs-faults.ts'

/** A service account that the emulator knows. */
export interface Account {
  email: string
  /** The content of its key file. */
  keyFile: string
  /** What it may do; anything unless given. */
  may: (request: GcsRequest) => boolean
}

let shared: { publicKey: KeyObject; privateKey: KeyObject } | undefined
const newKey = () => generateKeyPairSync('rsa', { modulusLength: 2048 })

/** Issues keys and access tokens, and checks what was signed with them, by `clock` (milliseconds since 1970). */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods of one server share its accounts
export function createAuthority(clock: () => number) {
  const keys = new Map<string, { publicKey: KeyObject; privateKey: KeyObject; account: Account }>()
  const tokens = new Map<string, { account: Account; until: number }>()

  const issue = (account: Account) => {
    const access_token = `ya29.${randomUUID()}`
    tokens.set(access_token, { account, until: clock() + 3_599_000 })
    return { access_token, expires_in: 3599, token_type: 'Bearer' }
  }

  return {
    /** Makes an account; with `known: false` its key is in order, but the account was deleted. */
    newAccount(
      tokenUri: string,
      options: { may?: Account['may']; known?: boolean; sharesKey?: boolean } = {},
    ): Account {
      const { may = () => true, known = true, sharesKey = true } = options
      shared ??= newKey()
      const { publicKey, privateKey } = sharesKey ? shared : newKey()
      const email = `account-${keys.size + 1}${known ? '' : '-deleted'}@project.iam.gserviceaccount.com`
      const keyFile = JSON.stringify({
        type: 'service_account',
        project_id: 'project',
        private_key_id: randomUUID(),
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        client_email: email,
        token_uri: tokenUri,
      })
      const account = { email, keyFile, may }
      if (known) keys.set(email, { publicKey, privateKey, account })
      return account
    },

    issue,

    /** Whose token the request carries: `none` without one, undefined when it is not valid. */
    bearer({ headers }: Pick<GcsRequest, 'headers'>): Account | 'none' | undefined {
      const header = headers.authorization
      if (header === undefined) return 'none'
      const token = tokens.get(header.replace(/^Bearer /, ''))
      return token && token.until > clock() ? token.account : undefined
    },

    /** The token endpoint: a signed assertion for an access token (RFC 7523). */
    exchange(form: URLSearchParams, tokenUri: string): { status: number; body: Record<string, unknown> } {
      const refuse = (error: string, error_description: string) => ({ status: 400, body: { error, error_description } })
      if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
        return refuse('unsupported_grant_type', 'Invalid grant_type')
      }
      const [head = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.')
      const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString() || '{}')
      const { iss, aud, exp, iat, scope } = read(claims)
      const known = keys.get(iss)
      if (!known) return refuse('invalid_grant', 'Invalid grant: account not found')
      const isSigned =
        read(head).alg === 'RS256' &&
        verify('sha256', Buffer.from(`${head}.${claims}`), known.publicKey, Buffer.from(signature, 'base64url'))
      if (!isSigned) return refuse('invalid_grant', 'Invalid JWT Signature.')
      const seconds = clock() / 1000
      if (aud !== tokenUri) return refuse('invalid_grant', 'Invalid JWT: Failed audience check.')
      if (!(exp > seconds && iat <= seconds + 60 && exp - iat <= 3600)) {
        return refuse(
          'invalid_grant',
          'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.',
        )
      }
      if (!scope) return refuse('invalid_scope', 'Empty or missing scope not allowed.')
      return { status: 200, body: issue(known.account) }
    },

    /** What the IAM Credentials API answers to signBlob. */
    signBlob(email: string, payload: string) {
      const key = keys.get(email)
      return key && sign('sha256', Buffer.from(payload, 'base64'), key.privateKey).toString('base64')
    },

    /** Who signed the URL; or why it is refused, as status, code and message ("V4 signing process", canonical requests). */
    signer(request: GcsRequest): Account | [number, string, string] {
      const { query, method, url, headers } = request
      const asked = (name: string) => query.get(`X-Goog-${name}`) ?? ''
      const [email = '', ...scope] = asked('Credential').split('/')
      const known = keys.get(email)
      if (asked('Algorithm') !== 'GOOG4-RSA-SHA256' || !known) {
        return [403, 'SignatureDoesNotMatch', 'Access denied.']
      }
      const [path = '', rawQuery = ''] = url.split('?', 2)
      const pairs = rawQuery.split('&').filter((pair) => !pair.startsWith('X-Goog-Signature='))
      const signedHeaders = asked('SignedHeaders').split(';')
      const canonical = [
        method,
        path,
        pairs.sort().join('&'),
        // The clients of Google sign the host without its port.
        ...signedHeaders.map((name) => `${name}:${String(headers[name] ?? '').replace(/:\d+$/, '')}`),
        '',
        signedHeaders.join(';'),
        'UNSIGNED-PAYLOAD',
      ].join('\n')
      const toSign = ['GOOG4-RSA-SHA256', asked('Date'), scope.join('/'), sha256(canonical)].join('\n')
      if (!verify('sha256', Buffer.from(toSign), known.publicKey, Buffer.from(asked('Signature'), 'hex'))) {
        return [
          403,
          'SignatureDoesNotMatch',
          'The request signature we calculated does not match the one you provided.',
        ]
      }
      const since = Date.parse(asked('Date').replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:'))
      const seconds = Number(asked('Expires'))
      if (!(seconds <= 604_800)) return [400, 'AuthenticationRequired', 'Expires is too large.']
      if (clock() > since + seconds * 1000) return [400, 'ExpiredToken', 'The provided token has expired.']
      return known.account
    },
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
