import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bearerToken } from '../access/tokens.ts'
import { errorTable } from '../errors/table.ts'
import { createRate } from '../rate.ts'
import { clientAddress } from './client-address.ts'

/** Limits the rate of operations per token. Clients without a well-formed token are limited by address. */
export interface RequestRate {
  /**
   * Counts an operation. Returns 0 if it may run, otherwise the seconds until the next one may run. The token is not
   * verified here, so an unknown token has its own limit; `GuessLimit` limits wrong tokens.
   */
  take(authorization: string | null | undefined, address: string | undefined): number
}

/** Allows `perSecond` operations on average, and a burst of ten seconds' worth. */
export function createRequestRate(perSecond: number): RequestRate {
  const rate = createRate({ perSecond, burst: 10 * perSecond })
  return {
    take(authorization, address) {
      // Users behind one proxy share its address, so the token alone is the key. The whole header is not, because one token can
      // be spelled in many ways there.
      const token = bearerToken(authorization)
      return rate.take(token ? createHash('sha256').update(token).digest('base64') : `address ${address}`)
    },
  }
}

/** The error message for a client that sends too many requests. */
export const tooManyRequestsMessage = (seconds: number) =>
  `${errorTable.TOO_MANY_REQUESTS.message} Try again in ${seconds} s.`

/** Answers a request above the limit with 429, Retry-After (RFC 6585 §4) and a GraphQL response. Returns true if it did. */
export function refuseExcess(requestRate: RequestRate, req: IncomingMessage, res: ServerResponse): boolean {
  const seconds = requestRate.take(req.headers.authorization, clientAddress(req))
  if (seconds === 0) return false
  const error = {
    message: tooManyRequestsMessage(seconds),
    extensions: { code: 'TOO_MANY_REQUESTS', retryAfterSeconds: seconds },
  }
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'Retry-After': seconds }
  res.writeHead(429, headers).end(JSON.stringify({ errors: [error] }))
  return true
}
