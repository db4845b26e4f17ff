import { Readable } from 'node:stream'
import { type GoogleAuth, gaxios } from 'google-auth-library'
import { orAbort } from '../../or-abort.ts'
import type { Egress } from '../../security/egress.ts'
import { maxSmallBytes, readErrorBody, readLimited } from '../kit/limit-body.ts'
import { safeRequestId } from '../kit/remote-detail.ts'
import { withRetry, withTimeout } from '../kit/retry.ts'
import type { ServerClock } from '../kit/server-clock.ts'
import type { Pace } from '../pace.ts'
import { authError, dropToken } from './auth.ts'
import { isTransient, isUnauthorized, RequestRefused } from './error.ts'

/** One request of the JSON API. */
export interface Request {
  method: 'GET' | 'POST' | 'DELETE'
  /** The path after the endpoint, percent-encoded. */
  path: string
  query?: Record<string, string | number | undefined>
  headers?: Record<string, string>
  body?: Buffer
  /** Whether to return the response as a stream, not decompressed. Default: as text. */
  streams?: boolean
  /** Limit for the text of the response, in bytes. Default: 64 KiB. */
  maxBytes?: number
  signal?: AbortSignal | undefined
}

/** A response with a success status. */
interface Answer {
  status: number
  headers: Headers
  text: string
  body: Readable
}

const answerTimeoutMs = 60_000
const slowestBytesPerMs = 100

/**
 * Makes a function that sends requests, and one that frees the sockets. It uses Google's own transport, without the methods of
 * the SDK (package google-cloud/storage). Those cannot be aborted, have no conditional reads, share retry state and sockets
 * between calls (one broken body destroys the sockets of all), and replace "{{projectId}}" in names and bodies.
 * Retries transient errors with jittered backoff, and replaces a refused access token once. `clock` receives the date of every
 * response. Rejects with the transport's error, with a SluiceError for errors of the credentials, or with any error once
 * `signal` has aborted.
 */
export function createSender(
  endpoint: string,
  { auth, egress, clock, pace }: { auth: GoogleAuth | undefined; egress: Egress; clock: ServerClock; pace: Pace },
) {
  const agent = egress.agent(new URL(endpoint).protocol, { keepAlive: true, maxSockets: 512 })
  const transport = new gaxios.Gaxios({ agent, redirect: 'manual', errorRedactor: false })

  const sendOnce = async (request: Request, onToken: (token: string | undefined) => void): Promise<Answer> => {
    const { method, path, query = {}, headers = {}, body, streams, maxBytes = maxSmallBytes } = request
    const ms = answerTimeoutMs + (body?.length ?? 0) / slowestBytesPerMs
    return withTimeout({ signal: request.signal, ms }, async (signal) => {
      const url = endpoint + path + queryText(query)
      const credentials = auth && (await orAbort(headersOf(auth, url), signal))
      onToken(credentials?.get('authorization')?.replace(/^Bearer /, ''))
      const sent = { ...Object.fromEntries(credentials ?? []), ...headers, 'user-agent': 'sluice' }
      const {
        status,
        data,
        headers: answered,
      } = await transport.request<Readable | ''>({
        method,
        url,
        headers: sent,
        ...(body && { data: body }),
        // Otherwise the transport would read bodies of any size, also of refusals.
        responseType: 'stream',
        validateStatus: () => true,
        signal,
        // An option of node-fetch, which the transport passes on.
        ...(streams && { compress: false }),
      })
      clock.update(answered.get('date'))
      const stream = data || Readable.from([])
      // Without a listener, an error before the first read would end the process.
      stream.on('error', () => {})
      if (status < 200 || status >= 300) {
        const text = (await readErrorBody(stream)).bytes.toString()
        const requestId = safeRequestId(answered.get('x-guploader-uploadid'), JSON.stringify([url, sent]))
        throw new RequestRefused({ status, text, requestId })
      }
      const text = streams ? '' : (await readLimited(stream, { maxBytes })).toString()
      return { status, headers: answered, text, body: stream }
    })
  }

  return {
    async send(request: Request): Promise<Answer> {
      const { signal, body } = request
      let token: string | undefined
      let isTokenNew = false
      const pauseAfter = async (error: unknown) => {
        if (!auth || !token || isTokenNew || !isUnauthorized(error))
          return isTransient(error) ? { baseMs: 250 } : undefined
        isTokenNew = true
        await dropToken(auth, token)
        return { baseMs: 0 }
      }
      return withRetry({ signal, pauseAfter }, async () => {
        // Waits before the time limit of the attempt starts.
        const turn = pace.request(signal, body?.length)
        if (turn) await turn
        return sendOnce(request, (used) => {
          token = used
        })
      })
    },
    close: () => agent.destroy(),
  }
}

async function headersOf(auth: GoogleAuth, url: string): Promise<Headers> {
  try {
    return await auth.getRequestHeaders(url)
  } catch (error) {
    throw authError(error)
  }
}

function queryText(query: Record<string, string | number | undefined>): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined)
  return pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value!)}`).join('&')}`
}
