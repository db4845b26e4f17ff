import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { ObjectBody, Provider } from './provider.ts'

/**
 * Continues a body that broke off after its first `sent` bytes. Reads only the same version of the object.
 * @throws BODY_CUT if the object has no etag, or if the storage sends another version or part; PRECONDITION_FAILED if the
 * object changed; the errors of `Provider.read`.
 */
export async function readRest(
  provider: Pick<Provider, 'read'>,
  key: string,
  from: {
    opened: Pick<ObjectBody, 'etag' | 'length' | 'range'>
    sent: number
    signal: AbortSignal
  },
): Promise<Readable> {
  const { sent, signal } = from
  const { etag, length, range } = from.opened
  if (etag === null) throw new SluiceError('BODY_CUT')
  const first = range?.start ?? 0
  const rest = { start: first + sent, end: first + length - 1 }
  const opened = await provider.read(key, { range: rest, ifMatch: etag, signal })
  // Some servers ignore conditions or ranges.
  if (opened.etag === etag && opened.range?.start === rest.start && opened.range.end === rest.end) return opened.body
  opened.body.destroy()
  throw new SluiceError('BODY_CUT')
}
