import { SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { md5Of } from '../checksum.ts'
import { partOf } from '../content-range.ts'
import { endOnAbort } from '../end-on-abort.ts'
import { compareKeys } from '../key-order.ts'
import { folderOf } from '../kit/folder-of.ts'
import { maxPageBytes } from '../kit/limit-body.ts'
import { limitLength } from '../kit/limit-length.ts'
import { cycleDetector } from '../kit/list-progress.ts'
import { isNoAnswer } from '../kit/no-answer.ts'
import { rangeHeader } from '../kit/range-header.ts'
import { clockSettler, createServerClock } from '../kit/server-clock.ts'
import { noPace, type Pace } from '../pace.ts'
import type { ByteRange, ObjectBody, Provider } from '../provider.ts'
import { timeOf } from '../time-of.ts'
import { openAuth } from './auth.ts'
import { gcsChecksum } from './checksum.ts'
import { gcsError, wantsPayer } from './error.ts'
import { type GcsLocation, type GcsSecrets, googleEndpoint, isGoogle } from './location.ts'
import { canBeName, cursorAfter, isTooLong, startOffset } from './object-name.ts'
import { createPayer } from './payer.ts'
import { etagOf, type Listing, readHead, readListing, readMd5 } from './read-answer.ts'
import { createSender, type Request } from './send.ts'
import { readServiceAccount } from './service-account.ts'
import { createUrlSigner } from './sign-url.ts'

// Cloud Storage returns an empty page for each part of a bucket in which nothing matches.
const mostEmptyPages = 500
const listFields = 'items(name,size,updated,generation),prefixes,nextPageToken'

/** Opens a bucket. One pool of sockets and one access token serve all calls. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods of a provider share its client, and each is short
export function openGcs(
  place: GcsLocation,
  secrets: GcsSecrets,
  egress: Egress,
  /**
   * `trusts`: whether an endpoint may receive the credentials of this machine. `signingEndpoint`: signs URLs if there is no
   * key.
   */
  {
    trusts = isGoogle,
    signingEndpoint,
    pace = noPace,
  }: { trusts?: typeof isGoogle; signingEndpoint?: string; pace?: Pace | undefined } = {},
): Provider {
  const { bucket, prefix } = place
  const endpoint = (place.endpoint ?? googleEndpoint).replace(/\/+$/, '')
  const key = secrets.serviceAccountJson === undefined ? undefined : readServiceAccount(secrets.serviceAccountJson)
  if (key && 'fault' in key) throw new SluiceError('BAD_CREDENTIALS', `The service account key ${key.fault}.`)
  if (!key && !place.anonymous && !trusts(endpoint)) {
    throw new SluiceError('BAD_CREDENTIALS', "The server's own Google credentials are sent only to googleapis.com.")
  }
  const auth = place.anonymous ? undefined : openAuth(key?.account, egress)
  const clock = createServerClock()
  const { send, close } = createSender(endpoint, { auth, egress, clock, pace })
  const bucketPath = `/storage/v1/b/${encodeURIComponent(bucket)}/o`
  const pathOf = (name: string) => `${bucketPath}/${encodeURIComponent(name)}`
  const payer = createPayer(place.projectId)

  /** Sends a request about an object, or about the bucket. */
  const call = async (name: string | undefined, request: Request) => {
    const used = payer.project
    try {
      const answer = await send({ ...request, query: { ...request.query, userProject: used } })
      payer.confirm()
      return answer
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason
      const isNew = wantsPayer(error) && (payer.demand() || payer.project !== used)
      if (!isNew) throw gcsError(error, { place, key: name })
    }
    return call(name, request)
  }

  /**
   * Finds out whether the bucket demands a payer before a URL is presigned, because a client cannot add one to the URL.
   * Concurrent calls share a request.
   */
  const settlePayer = async (name: string) => {
    if (payer.isKnown || !canBeName(name)) return
    pending ??= call(name, { method: 'GET', path: pathOf(name), query: { fields: 'generation' } })
      // The presigned URL will be refused for the same reason, so the error is ignored here.
      .catch((error) => {
        if (isNoAnswer(error)) throw error
      })
      .finally(() => {
        pending = undefined
      })
    await pending
  }
  let pending: Promise<unknown> | undefined
  const settleClock = clockSettler(clock, () => list({ prefix, maxResults: 1 }, undefined))

  const list = async (query: Record<string, string | number | undefined>, signal: AbortSignal | undefined) => {
    const limit = Number(query.maxResults)
    const { text } = await call(undefined, {
      method: 'GET',
      path: bucketPath,
      query: { fields: listFields, ...query },
      maxBytes: maxPageBytes,
      signal,
    })
    return readListing(text, limit)
  }

  const presign =
    auth && createUrlSigner({ auth, endpoint, bucket, ...(signingEndpoint !== undefined && { signingEndpoint }) })

  return {
    // Cloud Storage, "Listing objects": "ordered lexicographically by name"; startOffset compares in the same order.
    ordered: true,
    keyCursor: true,

    async check(signal) {
      await list({ prefix, maxResults: 1 }, signal)
    },

    async list({ cursor, limit, recursive, signal }) {
      const query = {
        maxResults: limit,
        prefix: (recursive ? prefix : folderOf(prefix)) || undefined,
        ...(!recursive && { delimiter: '/' }),
        startOffset: startOffset(cursor),
      }
      let answer = await list(query, signal)
      const tokens = cycleDetector()
      // A page can be empty and still have a next page.
      for (let empty = 1; isEmpty(answer) && answer.nextPageToken; empty++) {
        const pageToken = answer.nextPageToken
        if (empty > mostEmptyPages || tokens.hasSeen(pageToken)) throw endless()
        answer = await list({ ...query, pageToken }, signal)
      }
      const isText = cursor === null || cursor.isWellFormed()
      const objects = isText ? answer.items : answer.items.filter(({ key }) => compareKeys(key, cursor) > 0)
      if (!answer.nextPageToken) return { objects, cursor: null }
      // Prefixes count toward the limit. A server that does not count them returns all of them, also those after the last
      // object.
      const lastFolder = answer.items.length < limit ? answer.prefixes.at(-1) : undefined
      const next = cursorAfter(answer.items.at(-1)?.key, lastFolder)
      if (compareKeys(next, cursor ?? '') <= 0) throw endless()
      return { objects, cursor: next }
    },

    async read(name, { range, ifMatch, signal } = {}): Promise<ObjectBody> {
      signal?.throwIfAborted()
      if (!canBeName(name)) throw new SluiceError('OBJECT_MISSING')
      const ifGenerationMatch = ifMatch && /^"([1-9]\d*)"$/.exec(ifMatch)?.[1]
      // Not an etag of this provider, so no object has it.
      if (ifMatch && !ifGenerationMatch) throw new SluiceError('PRECONDITION_FAILED')
      const { status, headers, body } = await call(name, {
        method: 'GET',
        path: pathOf(name),
        query: { alt: 'media', ifGenerationMatch },
        headers: {
          // Without it, the server decompresses stored gzip, ignores the range and sends no length ("Transcoding of
          // gzip-compressed files").
          'accept-encoding': 'gzip',
          'cache-control': 'no-store',
          ...(range && { range: rangeHeader(range) }),
        },
        streams: true,
        signal,
      })
      const etag = etagOf(headers.get('x-goog-generation'))
      // Some servers ignore the condition.
      if (ifMatch && etag !== null && etag !== ifMatch) {
        body.destroy()
        throw new SluiceError('PRECONDITION_FAILED')
      }
      const announced = headers.get('content-length')
      const stored = headers.get('x-goog-stored-content-length')
      const length = lengthOf(announced ?? stored)
      if (range && status === 200 && (length === 0 || isNothing(range))) {
        body.destroy()
        throw new SluiceError('RANGE_UNSATISFIABLE')
      }
      const contentRange = headers.get('content-range')
      const part = partOf({ status, contentRange }, { isRanged: range !== undefined, length, body })
      const modified = headers.get('last-modified')
      const encoding = headers.get('content-encoding')
      return {
        body: endOnAbort(announced === null ? limitLength(body, length) : body, signal),
        length,
        ...part,
        etag,
        lastModified: timeOf(modified) ?? null,
        contentType: headers.get('content-type'),
        ...(encoding && { contentEncoding: encoding }),
        checksum: () => gcsChecksum(headers),
      }
    },

    async head(name, signal) {
      signal?.throwIfAborted()
      if (!canBeName(name)) throw new SluiceError('OBJECT_MISSING')
      const { text } = await call(name, {
        method: 'GET',
        path: pathOf(name),
        query: { fields: 'size,updated,generation,contentType,contentEncoding' },
        signal,
      })
      return readHead(text)
    },

    async write(name, body, { contentType = 'application/octet-stream', signal } = {}) {
      signal?.throwIfAborted()
      if (isTooLong(name)) throw new SluiceError('KEY_TOO_LONG')
      if (!canBeName(name)) throw new SluiceError('DENIED', 'Google Cloud Storage does not accept this object name.')
      const { text } = await call(undefined, {
        method: 'POST',
        path: `/upload${bucketPath}`,
        query: { uploadType: 'media', name, fields: 'generation,md5Hash' },
        headers: { 'content-type': contentType },
        body,
        signal,
      })
      const md5 = readMd5(text)
      if (md5 !== undefined && md5 !== md5Of(body)) throw new SluiceError('CHECKSUM_MISMATCH')
    },

    async remove(name, signal) {
      signal?.throwIfAborted()
      if (!canBeName(name)) return
      await call(name, { method: 'DELETE', path: pathOf(name), signal }).catch((error) => {
        if (error?.code !== 'OBJECT_MISSING') throw error
      })
    },

    ...(presign && {
      async presign(name: string, { ttlSeconds }: { ttlSeconds: number }) {
        await settlePayer(name)
        await settleClock()
        return presign(name, { ttlSeconds, userProject: payer.project, now: clock.now() })
      },
    }),

    async serverTime(signal) {
      const query = { prefix, maxResults: 1, fields: listFields }
      const { headers } = await call(undefined, { method: 'GET', path: bucketPath, query, signal })
      return timeOf(headers.get('date'))
    },

    close,
  }
}

const isEmpty = ({ items, prefixes }: Listing) => items.length === 0 && prefixes.length === 0

const endless = () =>
  new SluiceError('UNEXPECTED_ANSWER', 'The storage reports more keys, but the listing makes no progress.')

/** A number of bytes in a header. NaN if it is not a number; the caller refuses that. */
const lengthOf = (header: string | null) => (/^\d{1,15}$/.test(header ?? '') ? Number(header) : Number.NaN)

const isNothing = (range: ByteRange) => 'suffix' in range && range.suffix === 0
