import { createHmac, randomBytes } from 'node:crypto'

const prefix = 'whsec_'
// Standard Webhooks, "Signature scheme": from 192 to 512 bits.
const [minBytes, maxBytes] = [24, 64]

/** A new random key in the format of receivers: `whsec_` and base64 (Standard Webhooks, "Signature scheme"). */
export function createSecret(): string {
  return prefix + randomBytes(32).toString('base64')
}

/** Why a given key is invalid; undefined if it is valid. */
export function faultOfSecret(secret: string): string | undefined {
  const bytes = keyOf(secret)
  const isWhole = prefix + bytes.toString('base64') === secret
  if (isWhole && bytes.length >= minBytes && bytes.length <= maxBytes) return undefined
  return `must be ${prefix} and the base64 of ${minBytes} to ${maxBytes} random bytes`
}

/** A message to sign. */
interface SignedMessage {
  messageId: string
  /** Time of this attempt, in seconds since 1970. */
  timestamp: number
  body: string
}

/**
 * The headers by which a receiver verifies the sender, the content and the age of a message: HMAC-SHA256 over `id.timestamp.body` with
 * each of the keys (Standard Webhooks 1.0, "Webhook headers").
 */
export function signatureHeaders(
  secrets: string[],
  { messageId, timestamp, body }: SignedMessage,
): Record<string, string> {
  const signed = `${messageId}.${timestamp}.${body}`
  const signatures = secrets.map((one) => `v1,${createHmac('sha256', keyOf(one)).update(signed).digest('base64')}`)
  return {
    'webhook-id': messageId,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}

const keyOf = (secret: string) => Buffer.from(secret.slice(prefix.length), 'base64')
