import { createPrivateKey } from 'node:crypto'
import { apiUrl } from '../fields.ts'

/** A service account's key file, as far as it is used. */
export interface ServiceAccount {
  type: 'service_account'
  client_email: string
  /** PEM. */
  private_key: string
  private_key_id?: string
  /** Where the key is exchanged for access tokens. */
  token_uri?: string
}

/** Reads the text of a key file. The fault is a sentence's predicate that quotes nothing of the text, which is a secret. */
export function readServiceAccount(text: string): { account: ServiceAccount } | { fault: string } {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { fault: 'is not valid JSON: paste the whole content of the key file' }
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return { fault: 'is not a JSON object' }
  const account = json as Partial<Record<keyof ServiceAccount, unknown>>
  if (account.type !== 'service_account') return { fault: 'is not a service account key: its type is another' }
  for (const name of ['client_email', 'private_key'] as const) {
    if (typeof account[name] !== 'string' || account[name] === '') return { fault: `lacks ${name}` }
  }
  if (!isPrivateKey(account.private_key as string))
    return { fault: 'has a private_key that is not a key in PEM format' }
  const uri = account.token_uri
  if (uri !== undefined && !isWebAddress(uri)) return { fault: 'has a token_uri that is no URL' }
  if (uri !== undefined && !apiUrl().safeParse(uri).success) {
    return { fault: 'has a token_uri with a user name, a password, a query or white space' }
  }
  return { account: json as ServiceAccount }
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
