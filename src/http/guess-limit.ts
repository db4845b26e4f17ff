import { createHmac, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { TooManyWrongTokensError, WrongTokenError } from '../errors.ts'
import { clientAddress } from './client-address.ts'

/** Slows down clients that guess tokens. Clients with a valid token are never slowed down. */
export interface GuessLimit {
  /**
   * Runs `authenticate`. A WrongTokenError counts against the client's address.
   * @throws TooManyWrongTokensError instead of WrongTokenError once the address has sent more wrong tokens in a minute than
   * allowed. Other errors of `authenticate` pass through.
   */
  run<T>(req: IncomingMessage, authenticate: () => Promise<T>): Promise<T>
}

/** All addresses share this number of counters, which bounds the memory. */
const counters = 65_536

/** Limits the wrong tokens that one client address may send in a minute. 0 = no limit. */
export function createGuessLimit(perMinute: number): GuessLimit {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 })
  // The hash has a secret key, so that a client cannot choose an address that shares the counter of another client.
  const key = randomBytes(32)
  const counterOf = (address: string) =>
    String(createHmac('sha256', key).update(networkOf(address)).digest().readUInt32BE() % counters)
  return {
    async run(req, authenticate) {
      try {
        return await authenticate()
      } catch (error) {
        if (perMinute === 0 || !(error instanceof WrongTokenError)) throw error
        const excess = await limiter.consume(counterOf(clientAddress(req))).then(
          () => undefined,
          (refused: RateLimiterRes) => refused,
        )
        throw excess ? new TooManyWrongTokensError(Math.max(1, Math.ceil(excess.msBeforeNext / 1_000))) : error
      }
    },
  }
}

/** An IPv6 client has a whole /64 of addresses (RFC 6177 §2), so all addresses of a /64 share a counter. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const plain = address.replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const first = groups(head)
  const missing = tail === undefined ? 0 : Math.max(0, 8 - first.length - groups(tail).length)
  const all = [...first, ...Array.from({ length: missing }, () => '0'), ...groups(tail ?? '')]
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
