import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bearerToken } from '../access/tokens.ts'
import { errorTable } from '../errors/table.ts'
import { createRate } from '../rate.ts'
import { clientAddress } from './client-address.ts'

/** Limits how fast operations may come: of each token, and of each address that sends none, or a malformed one. */
export interface Floods {
  /**
   * Counts an operation. 0 if it may run, otherwise the seconds until the next one may. The token is not checked: an
   * unknown one has a limit of its own here, and wrong tokens have theirs elsewhere.
   */
  take(authorization: string | null | undefined, address: string | undefined): number
}

/** `perSecond` operations in the long run, and those of ten seconds at once. */
export function createFloods(perSecond: number): Floods {
  const rate = createRate({ perSecond, burst: 10 * perSecond })
  return {
    take(authorization, address) {
      // Users behind one proxy share its address, so who sends a token is known by that alone: not by the header, which has
      // many spellings of one token.
      const token = bearerToken(authorization)
      return rate.take(token ? createHash('sha256').update(token).digest('base64') : `address ${address}`)
    },
  }
}

/** The error message for a client that sends too many requests. */
export const floodWords = (seconds: number) => `${errorTable.TOO_MANY_REQUESTS.words} Try again in ${seconds} s.`

/** Answers an HTTP request with 429 and Retry-After (RFC 6585 §4); true if it did. The body is a GraphQL response. */
export function refuseFlood(floods: Floods, req: IncomingMessage, res: ServerResponse): boolean {
  const seconds = floods.take(req.headers.authorization, clientAddress(req))
  if (seconds === 0) return false
  const error = { message: floodWords(seconds), extensions: { code: 'TOO_MANY_REQUESTS', retryAfterSeconds: seconds } }
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'Retry-After': seconds }
  res.writeHead(429, headers).end(JSON.stringify({ errors: [error] }))
  return true
}
