import { get as getHttp, type Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { SluiceError } from '../errors.ts'
import { networkError } from '../providers/network-error.ts'
import type { Egress } from '../security/egress.ts'

/**
 * Fetches the first byte behind a signed URL, as a browser would, but follows no redirect.
 * @throws SluiceError if that is refused; the reason of `signal`
 */
export async function fetchSigned(
  url: URL,
  { egress, signal }: { egress: Egress; signal: AbortSignal },
): Promise<void> {
  const get = url.protocol === 'https:' ? getHttps : getHttp
  const agent = egress.agent(url.protocol) as HttpAgent
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent, headers: { range: 'bytes=0-0', 'user-agent': 'sluice' }, signal })
      .on('response', resolve)
      .on('error', reject)
  }).catch((error) => {
    signal.throwIfAborted()
    throw networkError(error) ?? new SluiceError('UNEXPECTED_ANSWER', undefined, { cause: error })
  })
  response.destroy()
  const { statusCode: status = 0 } = response
  // 416: the object is empty, and the signature was accepted.
  if ((status < 200 || status >= 300) && status !== 416) {
    throw new SluiceError('DENIED', `A signed URL was answered with status ${status}.`)
  }
}
