import type { Readable } from 'node:stream'
import type { BlobDownloadResponseParsed } from '@azure/storage-blob'
import type { Checksum } from '../checksum.ts'
import { partOf } from '../content-range.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { limitLength } from '../kit/limit-length.ts'
import type { ObjectBody } from '../provider.ts'

/** Converts the response to a download. If the connection breaks off, the body fails with BODY_CUT. */
export function openBody(
  answer: BlobDownloadResponseParsed,
  { isRanged, signal }: { isRanged: boolean; signal: AbortSignal | undefined },
): ObjectBody {
  // Without a length, nobody could notice a truncated body.
  const length = answer.contentLength ?? Number.NaN
  // Not a PassThrough: its writable side costs as much as a small body.
  const body = limitLength(answer.readableStreamBody as Readable, length)
  const { _response, contentRange } = answer
  const isPart = answer._response.status === 206
  const part = partOf({ status: _response.status, contentRange }, { isRanged, length, body })
  return {
    body: endOnAbort(body, signal),
    length,
    ...part,
    etag: quoted(answer.etag),
    lastModified: answer.lastModified ?? null,
    contentType: answer.contentType ?? null,
    // "Get Blob": a response to a range has the MD5 of the whole blob in a separate header.
    checksum: () => md5Checksum(answer.blobContentMD5 ?? (isPart ? undefined : answer.contentMD5)),
    ...(answer.contentEncoding && { contentEncoding: answer.contentEncoding }),
  }
}

const md5Checksum = (value: Uint8Array | undefined): Checksum | undefined =>
  value?.length === 16 ? { algorithm: 'MD5', value } : undefined

/** Adds the quotes that conditions need. Headers have them, listings do not. */
export function quoted(etag: string | undefined): string | null {
  if (!etag) return null
  return /^(W\/)?"/.test(etag) ? etag : `"${etag}"`
}
