import { createPrivateKey } from 'node:crypto'
import { apiUrl } from '../fields.ts'

/** The used fields of a service account's key file. */
export interface ServiceAccount {
  type: 'service_account'
  client_email: string
  /** PEM. */
  private_key: string
  private_key_id?: string
  /** The URL that issues access tokens for the key. */
  token_uri?: string
}

/**
 * Reads the text of a key file. Repairs a private key whose line breaks were damaged. `fault` is the predicate of a sentence.
 * It quotes nothing of the text, which is a secret.
 */
export function readServiceAccount(text: string): { account: ServiceAccount } | { fault: string } {
  let json: unknown
  try {
    json = JSON.parse(withEscapedBreaks(text))
    // The file was wrapped in a JSON string.
    if (typeof json === 'string') json = JSON.parse(withEscapedBreaks(json))
  } catch {
    return { fault: 'is not valid JSON: paste the whole content of the key file' }
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return { fault: 'is not a JSON object' }
  const account = json as Partial<Record<keyof ServiceAccount, unknown>>
  if (account.type !== 'service_account') return { fault: 'is not a service account key: its type is another' }
  for (const name of ['client_email', 'private_key'] as const) {
    if (typeof account[name] !== 'string' || account[name] === '') return { fault: `lacks ${name}` }
  }
  const privateKey = repairedKey(account.private_key as string)
  if (!isPrivateKey(privateKey)) return { fault: 'has a private_key that is not a key in PEM format' }
  const uri = account.token_uri
  if (uri !== undefined && !isWebAddress(uri)) return { fault: 'has a token_uri that is no URL' }
  if (uri !== undefined && !apiUrl().safeParse(uri).success) {
    return { fault: 'has a token_uri with a user name, a password, a query or white space' }
  }
  return { account: { ...(json as ServiceAccount), private_key: privateKey } }
}

/** Escapes line breaks inside the private key, because some forms and terminals unescape them. */
function withEscapedBreaks(text: string): string {
  return text.replace(/("private_key"\s*:\s*")([^"]*)(")/, (_all, before, key: string, after) => {
    return before + key.replace(/\r\n|[\r\n]/g, '\\n') + after
  })
}

/**
 * Restores the line breaks of a PEM. Shells, .env files, forms and secret managers escape them twice (`\\n`) or turn them into
 * spaces. Other text stays unchanged.
 */
function repairedKey(pem: string): string {
  const [, label, body] = /^\s*-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s\\]+)-----END \1-----/.exec(pem) ?? []
  if (label === undefined || body === undefined) return pem
  // Base64 contains neither backslashes nor white space (RFC 4648 §4).
  const lines = body.replace(/\\+[rn]|\s/g, '').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa'
  } catch {
    return false
  }
}

const isWebAddress = (text: unknown) =>
  typeof text === 'string' && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
