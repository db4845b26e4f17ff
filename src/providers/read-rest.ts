import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { ObjectBody, Provider } from './provider.ts'

/**
 * Continues a body that broke off: what follows its first `sent` bytes, from the same version of the object only.
 * @throws BODY_CUT when the object has no version or the storage sends another version or part; PRECONDITION_FAILED when the object
 *   changed; as `Provider.read` does.
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
  // There are servers that heed no condition, or no range.
  if (opened.etag === etag && opened.range?.start === rest.start && opened.range.end === rest.end) return opened.body
  opened.body.destroy()
  throw new SluiceError('BODY_CUT')
}
