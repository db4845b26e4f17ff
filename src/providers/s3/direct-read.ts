import type { Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import { type ErrorCode, SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { partOf } from '../content-range.ts'
import { createHttpClient } from '../http/client.ts'
import { headerLine, type PlainGet, writeGet } from '../http/request.ts'
import { readErrorBody } from '../kit/limit-body.ts'
import type { ServerClock } from '../kit/server-clock.ts'
import type { Pace } from '../pace.ts'
import type { ObjectBody } from '../provider.ts'
import { timeOf } from '../time-of.ts'
import { isDirectoryBucket, s3Checksum } from './checksum.ts'
import type { S3Location } from './location.ts'
import type { ObjectRequests } from './object-requests.ts'
import type { Region } from './region.ts'

/** How long signed headers are reused. S3 accepts them for 15 minutes ("RequestTimeTooSkewed"). */
const reuseMs = 60_000

/** Statuses with only one meaning (Amazon S3, "Error responses"). */
const refusals: Record<number, ErrorCode> = { 412: 'PRECONDITION_FAILED', 416: 'RANGE_UNSATISFIABLE' }

/** Reads each object with one plain signed request, without the SDK. */
interface DirectReads {
  /**
   * Opens the object. Returns undefined on other errors and on ambiguous responses. The caller then uses the SDK, which
   * retries, follows the region and reports the error.
   * @throws SluiceError OBJECT_MISSING, PRECONDITION_FAILED or RANGE_UNSATISFIABLE; the reason of `signal`
   */
  read(
    key: string,
    options: { range?: string | undefined; ifMatch?: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<ObjectBody | undefined>
  close(): void
}

/**
 * For a GET, the SDK takes several times the CPU time of transferring a 64 KiB range, mostly for work that is the same each
 * time. `range` and `if-match` are not signed (Amazon S3, "Signature calculations": only `host` and `x-amz-*` must be), so all
 * ranges of an object share one signature.
 */
export function createDirectReads(
  requestsNow: () => Promise<ObjectRequests | undefined>,
  {
    place,
    region,
    clock,
    egress,
    pace,
  }: { place: S3Location; region: Region; clock: ServerClock; egress: Egress; pace: Pace },
): DirectReads {
  const http = createHttpClient(egress)
  const isDirectory = isDirectoryBucket(place.bucket)
  const signed = new LRUCache<string, PlainGet>({ max: 1_000, ttl: reuseMs, ttlResolution: 1_000 })

  const sign = async (name: string, key: string): Promise<PlainGet | undefined> => {
    const requests = await requestsNow()
    if (!requests) return undefined
    const request = requests.of(key)
    // Requests the object's checksum (GetObject, `x-amz-checksum-mode`). Compatible services may refuse this header.
    if (!place.endpoint) request.headers['x-amz-checksum-mode'] = 'ENABLED'
    const { headers } = place.anonymous
      ? request
      : await requests.signer.sign(request, { signingDate: new Date(clock.now()) })
    const fresh = writeGet({ origin: requests.origin, path: request.path }, headers)
    signed.set(name, fresh)
    return fresh
  }

  return {
    async read(key, { range, ifMatch, signal }) {
      const name = `${region.current}\0${key}`
      try {
        const request = signed.get(name) ?? (await sign(name, key))
        if (!request) return undefined
        const more = (range ? headerLine(['range', range]) : '') + (ifMatch ? headerLine(['if-match', ifMatch]) : '')
        const turn = pace.request(signal)
        if (turn) await turn
        const { status, headers, body } = await http.get(request, more, signal)
        const opened = body && openedBody(body, { status, headers, isRanged: range !== undefined, isDirectory })
        if (!opened || clock.isOld) clock.update(headers.date)
        if (opened) {
          region.confirm()
          return opened
        }
        signed.delete(name)
        const message = await messageOf(body, Number(headers['content-length']))
        const code = refusals[status]
        if (status === 404 && message.includes('<Code>NoSuchKey</Code>')) throw new SluiceError('OBJECT_MISSING')
        if (code) throw new SluiceError(code)
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        if (error instanceof SluiceError) throw error
      }
      return undefined
    },
    close() {
      http.close()
    },
  }
}

/** The body of a refusal, read to its end, so that the connection can be reused. Empty if it is long or of unknown length. */
async function messageOf(body: Readable | undefined, length: number): Promise<string> {
  if (body && length < 16_384) return (await readErrorBody(body)).bytes.toString()
  body?.destroy()
  return ''
}

/** The object in a response. Undefined if the body is not the object. */
function openedBody(
  body: Readable,
  {
    status,
    headers,
    isRanged,
    isDirectory,
  }: {
    status: number
    headers: Record<string, string | undefined>
    isRanged: boolean
    isDirectory: boolean
  },
): ObjectBody | undefined {
  const { 'content-length': announced, 'content-range': contentRange, etag, 'content-type': type } = headers
  if ((status !== 200 && status !== 206) || announced === undefined) return undefined
  const length = Number(announced)
  const { size, range } = partOf({ status, contentRange }, { isRanged, length, body })
  return {
    body,
    length,
    size,
    ...(range && { range }),
    etag: etag ?? null,
    lastModified: timeOf(headers['last-modified']) ?? null,
    contentType: type ?? null,
    checksum: () => s3Checksum(headers, { isDirectory }),
    ...encodingOf(headers['content-encoding']),
  }
}

/** The encoding of an object, without `aws-chunked`, which belongs to its upload ("Signature calculations: chunked upload"). */
export function encodingOf(header: string | undefined): { contentEncoding?: string } {
  if (header === undefined) return {}
  const codings = header
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'aws-chunked')
  return codings.length > 0 ? { contentEncoding: codings.join(', ') } : {}
}
