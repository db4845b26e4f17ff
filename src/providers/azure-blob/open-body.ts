import { Readable } from 'node:stream'
import type { BlobDownloadResponseParsed } from '@azure/storage-blob'
import { SluiceError } from '../../errors.ts'
import { partOf } from '../content-range.ts'
import { endOnAbort } from '../end-on-abort.ts'
import type { ObjectBody } from '../provider.ts'

/** The answer to a download as a provider gives it. A connection that is cut ends the body with BODY_CUT. */
export function openBody(
  answer: BlobDownloadResponseParsed,
  { isRanged, signal }: { isRanged: boolean; signal: AbortSignal | undefined },
): ObjectBody {
  const source = answer.readableStreamBody as Readable
  // Not a PassThrough, whose other side costs as much as a small body.
  const body = new Readable({
    read: () => source.resume(),
    destroy(error, done) {
      source.destroy()
      done(error)
    },
  })
  source
    .on('data', (chunk) => {
      if (!body.push(chunk)) source.pause()
    })
    .on('end', () => body.push(null))
    .on('error', (cause) => body.destroy(new SluiceError('BODY_CUT', undefined, { cause })))
    .pause()
  // Without a length, nobody could tell when the body is cut.
  const length = answer.contentLength ?? Number.NaN
  const { _response, contentRange } = answer
  const part = partOf({ status: _response.status, contentRange }, { isRanged, length, body })
  return {
    body: endOnAbort(body, signal),
    length,
    ...part,
    etag: quoted(answer.etag),
    lastModified: answer.lastModified ?? null,
    contentType: answer.contentType ?? null,
    ...(answer.contentEncoding && { contentEncoding: answer.contentEncoding }),
  }
}

/** Listings spell an etag without the quotes that headers have and conditions need. */
export function quoted(etag: string | undefined): string | null {
  if (!etag) return null
  return /^(W\/)?"/.test(etag) ? etag : `"${etag}"`
}
