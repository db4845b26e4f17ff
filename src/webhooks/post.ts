import { type Agent, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { SluiceError } from '../errors.ts'
import { networkError } from '../providers/network-error.ts'
import { kindOfAddress } from '../security/address.ts'
import type { Egress } from '../security/egress.ts'
import { codeOf } from '../unknown.ts'

/** Bytes of a response that are read and stored. */
const maxAnswerBytes = 4 * 1024

/** The response of a receiver. */
export interface Answer {
  status: number
  /** Beginning of the body as text; null unless the receiver has a public address. */
  body: string | null
  /** Retry-After of the response; undefined if it has none. */
  retryAfterSeconds: number | undefined
}

/** One request to a receiver. */
interface PostOptions {
  url: string
  headers: Record<string, string>
  body: string
  egress: Egress
  /** Time limit from the name lookup to the end of the response. */
  timeoutSeconds: number
  signal: AbortSignal
}

/**
 * Sends one POST and reads the beginning of the response, whatever its status. It follows no redirect.
 * @throws SluiceError BLOCKED_ADDRESS, TIMEOUT, UNREACHABLE with a message about the receiver; the reason of `signal`
 */
export async function post({ url, headers, body, egress, timeoutSeconds, signal }: PostOptions): Promise<Answer> {
  const limit = AbortSignal.timeout(timeoutSeconds * 1_000)
  try {
    const response = await answerTo(url, body, {
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      agent: egress.agent(new URL(url).protocol),
      signal: AbortSignal.any([limit, signal]),
    })
    return {
      status: response.statusCode!,
      body: await bodyOf(response),
      retryAfterSeconds: secondsOf(response.headers['retry-after']),
    }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof SluiceError) throw error
    if (limit.aborted) throw new SluiceError('TIMEOUT', `The receiver did not answer within ${timeoutSeconds} s.`)
    const fault = networkError(error)
    const code = codeOf(error)
    // Node's codes; a certificate's error has one too.
    const explanation = /^[A-Z0-9_]{2,40}$/.test(code ?? '') ? code : (fault?.code ?? 'its answer is no HTTP')
    throw new SluiceError('UNREACHABLE', `The receiver cannot be reached: ${explanation}.`, { cause: error })
  }
}

function answerTo(
  url: string,
  body: string,
  options: { headers: Record<string, string>; agent: Agent; signal: AbortSignal },
): Promise<IncomingMessage> {
  const send = url.startsWith('https:') ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    send(url, { method: 'POST', ...options })
      .on('response', resolve)
      .on('error', reject)
      .end(body)
  })
}

/**
 * The beginning of a body, if it may be displayed. Users who create webhooks may not have access to machines with internal addresses,
 * so responses of those are never stored.
 */
async function bodyOf(response: IncomingMessage): Promise<string | null> {
  const isPublic = kindOfAddress(response.socket.remoteAddress ?? '') === 'PUBLIC'
  if (isPublic) return readBeginning(response)
  response.destroy()
  return null
}

/** The status decides. Of a body that breaks off or is late, the part that arrived is used. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= maxAnswerBytes) break
    }
  } catch {}
  return Buffer.concat(chunks).subarray(0, maxAnswerBytes).toString('utf8')
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function secondsOf(retryAfter = ''): number | undefined {
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter)
  const at = / GMT$/.test(retryAfter) ? Date.parse(retryAfter) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1_000)
}
