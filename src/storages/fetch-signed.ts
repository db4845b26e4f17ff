import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { SluiceError } from '../errors.ts'
import { readErrorBody } from '../providers/kit/limit-body.ts'
import { networkError } from '../providers/network-error.ts'
import type { Egress } from '../security/egress.ts'

/**
 * Fetches the first byte of a presigned URL, as a browser would, but follows no redirect. `archivedCode` is the error code of
 * the storage for archived objects.
 * @throws SluiceError if the storage refuses; the reason of `signal`
 */
export async function fetchSigned(
  url: URL,
  { egress, archivedCode, signal }: { egress: Egress; archivedCode?: string | undefined; signal: AbortSignal },
): Promise<void> {
  const get = url.protocol === 'https:' ? getHttps : getHttp
  const agent = egress.agent(url.protocol)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent, headers: { range: 'bytes=0-0', 'user-agent': 'sluice' }, signal })
      .on('response', resolve)
      .on('error', reject)
  }).catch((error) => {
    signal.throwIfAborted()
    throw networkError(error) ?? new SluiceError('UNEXPECTED_ANSWER', undefined, { cause: error })
  })
  const { statusCode: status = 0 } = response
  // 416: the object is empty, and the signature was accepted.
  const isRefused = (status < 200 || status >= 300) && status !== 416
  // The body of a refusal matters only if it can contain `archivedCode`.
  const explanation = isRefused && archivedCode ? (await readErrorBody(response)).bytes.toString() : ''
  response.destroy()
  signal.throwIfAborted()
  if (!isRefused) return
  if (explanation.includes(`<Code>${archivedCode}</Code>`)) throw new SluiceError('ARCHIVED')
  throw new SluiceError('DENIED', `A signed URL was answered with status ${status}.`)
}
