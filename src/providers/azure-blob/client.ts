import {
  AnonymousCredential,
  BlobServiceClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { type ErrorCode, SluiceError } from '../../errors.ts'
import type { Egress } from '../../security/egress.ts'
import { toError } from '../../unknown.ts'
import { md5Of } from '../checksum.ts'
import { type Pause, withRetry, withTimeout } from '../kit/retry.ts'
import { clockSettler, createServerClock, type ServerClock, skewThatMattersMs } from '../kit/server-clock.ts'
import { listSmaller } from '../kit/smaller-page.ts'
import { noPace } from '../pace.ts'
import type { ByteRange, ObjectBody, Provider } from '../provider.ts'
import { azureError, type SdkError } from './error.ts'
import { limitedClient } from './limited-client.ts'
import { listPage } from './list.ts'
import { type AzureLocation, serviceUrl } from './location.ts'
import { canBeNamed } from './name.ts'
import { openBody, quoted } from './open-body.ts'
import type { SignIn } from './sign-in.ts'
import { delegationKeys, sasEnd, signRead } from './signed-url.ts'
import { socketPool } from './sockets.ts'

const answerTimeoutMs = 60_000
/** The slowest upload that does not time out. */
const bytesPerMs = 32

const transient = new Set<ErrorCode>(['THROTTLED', 'UNREACHABLE', 'CONNECTION_REFUSED', 'TIMEOUT'])

/**
 * The SDK's own retry is switched off: it waits without jitter, retries an unresolvable host for half a minute, and does not retry 429,
 * 502 and 504.
 */
function pauseAfter(error: unknown): Pause | undefined {
  if (!(error instanceof SluiceError && transient.has(error.code))) return undefined
  const { code, cause } = error
  const { response }: SdkError = toError(cause)
  const minMs = Number(response?.headers?.get('retry-after')) * 1_000 || 0
  return { baseMs: code === 'THROTTLED' ? 500 : 100, minMs }
}

/** Opens a container. All requests share one client and one pool of sockets. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the methods of a provider share its client, and each is short
export function openAzureBlob(place: AzureLocation, by: SignIn, egress: Egress, pace = noPace): Provider {
  const agent = socketPool(serviceUrl(place), egress)
  const clock = createServerClock()
  const service = connect(place, by, { agent, clock })
  const container = service.getContainerClient(place.container)
  const sasEndsAt = 'sasToken' in by ? sasEnd(by.sasToken) : undefined

  const call = <T>(
    {
      key,
      signal,
      timeoutMs = answerTimeoutMs,
      bytes = 0,
    }: { key?: string; signal?: AbortSignal | undefined; timeoutMs?: number; bytes?: number },
    send: (signal: AbortSignal) => Promise<T>,
  ) => {
    const wrap = (error: unknown) => azureError(error, { place, key, sasEndsAt })
    return withRetry({ signal, pauseAfter }, async () => {
      const turn = pace.request(signal, bytes)
      if (turn) await turn
      return withTimeout({ signal, ms: timeoutMs }, send).catch((error) => Promise.reject(wrap(error)))
    })
  }

  const absolute = async (key: string, range: ByteRange, signal: AbortSignal | undefined) => {
    if (!('suffix' in range)) return { ...range, etag: undefined }
    // Azure has no suffix ranges ("Specifying the range header for Blob Storage operations").
    const properties = await call({ key, signal }, (abortSignal) =>
      container.getBlobClient(key).getProperties({ abortSignal }),
    )
    const size = properties.contentLength ?? 0
    if (range.suffix === 0 || size === 0) throw new SluiceError('RANGE_UNSATISFIABLE')
    return { start: Math.max(0, size - range.suffix), end: size - 1, etag: properties.etag }
  }

  const provider: Provider = {
    // "List Blobs": lexicographic order. Accounts with a hierarchical namespace deviate slightly.
    ascends: true,

    async check(signal) {
      await provider.list({ cursor: null, limit: 1, recursive: true, signal })
    },

    list: ({ signal, ...where }) =>
      listSmaller(where.limit, (limit) =>
        call({ signal }, (abortSignal) => listPage(container, { prefix: place.prefix, ...where, limit, abortSignal })),
      ),

    async read(key, { range, ifMatch, signal } = {}): Promise<ObjectBody> {
      signal?.throwIfAborted()
      if (!canBeNamed(key)) throw new SluiceError('OBJECT_MISSING')
      const part = range && (await absolute(key, range, signal))
      const match = ifMatch ?? part?.etag
      const count = part?.end === undefined ? undefined : part.end - part.start + 1
      const answer = await call({ key, signal }, (abortSignal) =>
        // A truncated body must fail. Its reader decides whether to continue, and with which version.
        container.getBlobClient(key).download(part?.start ?? 0, count, {
          abortSignal,
          maxRetryRequests: 0,
          ...(match && { conditions: { ifMatch: match } }),
        }),
      )
      const opened = openBody(answer, { isRanged: range !== undefined, signal })
      // The SDK requests `0-` without a range. And a server may answer a range after the end with an empty body.
      const given = opened.range ?? { start: 0, end: opened.size - 1 }
      if (!range) return opened
      if (given.start <= given.end) return { ...opened, range: given }
      opened.body.destroy()
      throw new SluiceError('RANGE_UNSATISFIABLE')
    },

    async head(key, signal) {
      signal?.throwIfAborted()
      if (!canBeNamed(key)) throw new SluiceError('OBJECT_MISSING')
      const properties = await call({ key, signal }, (abortSignal) =>
        container.getBlobClient(key).getProperties({ abortSignal }),
      )
      return {
        size: properties.contentLength ?? 0,
        etag: quoted(properties.etag),
        lastModified: properties.lastModified ?? null,
        contentType: properties.contentType ?? null,
        ...(properties.contentEncoding && { contentEncoding: properties.contentEncoding }),
      }
    },

    async write(key, body, { contentType, signal } = {}) {
      signal?.throwIfAborted()
      if (!canBeNamed(key)) throw new SluiceError('DENIED', 'Azure does not accept this object name.')
      const timeoutMs = answerTimeoutMs + body.length / bytesPerMs
      const md5 = Buffer.from(md5Of(body), 'base64')
      await call({ key, signal, timeoutMs, bytes: body.length }, (abortSignal) =>
        container.getBlockBlobClient(key).upload(body, body.length, {
          abortSignal,
          // Azure refuses a body with another MD5 ("Put Blob").
          transactionalContentMD5: md5,
          ...(contentType && { blobHTTPHeaders: { blobContentType: contentType } }),
        }),
      )
    },

    async remove(key, signal) {
      signal?.throwIfAborted()
      if (!canBeNamed(key)) return
      try {
        // Azure cannot delete a blob and keep its snapshots.
        await call({ key, signal }, (abortSignal) =>
          container.getBlobClient(key).delete({ abortSignal, deleteSnapshots: 'include' }),
        )
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'OBJECT_MISSING') throw error
      }
    },

    async serverTime(signal) {
      const { value } = await call({ signal }, (abortSignal) =>
        container.listBlobsFlat({ prefix: place.prefix, abortSignal }).byPage({ maxPageSize: 1 }).next(),
      )
      return value?.date instanceof Date ? value.date : undefined
    },

    close() {
      agent.destroy()
    },
  }

  // A SAS token opens more than one blob, and no narrower token can be derived from it. So the server streams the objects.
  if ('sasToken' in by) return provider
  const settleClock = clockSettler(clock, () => provider.check())
  const delegationKey = delegationKeys(
    (from, to) => call({}, (abortSignal) => service.getUserDelegationKey(from, to, { abortSignal })),
    clock.now,
  )
  /** The delegation key for the current time. If the clock was wrong, the refusal corrects it, and a second request follows. */
  const currentKey = async (ttlSeconds: number) => {
    const differenceMs = () => clock.now() - Date.now()
    const used = differenceMs()
    return delegationKey(ttlSeconds).catch((error) => {
      if (Math.abs(differenceMs() - used) < skewThatMattersMs) throw error
      return delegationKey(ttlSeconds)
    })
  }
  return {
    ...provider,
    async presign(key, { ttlSeconds }) {
      if (!canBeNamed(key)) throw new SluiceError('OBJECT_MISSING')
      const url = new URL(container.getBlobClient(key).url)
      if ('anonymous' in by) return url
      await settleClock()
      const signer = 'accountKey' in by ? by : { delegationKey: await currentKey(ttlSeconds) }
      url.search = signRead(place, { key, ttlSeconds, now: clock.now() }, signer)
      return url
    },
  }
}

function connect(
  place: AzureLocation,
  by: SignIn,
  { agent, clock }: { agent: ReturnType<typeof socketPool>; clock: ServerClock },
): BlobServiceClient {
  const options: StoragePipelineOptions & { agent: typeof agent; redirectOptions: { maxRetries: number } } = {
    agent,
    retryOptions: { maxTries: 1 },
    // Azure never redirects. A website redirects to its login page.
    redirectOptions: { maxRetries: 0 },
  }
  const url = serviceUrl(place)
  const credential =
    'accountKey' in by
      ? new StorageSharedKeyCredential(place.account, by.accountKey)
      : 'principal' in by
        ? by.principal
        : new AnonymousCredential()
  // The option `httpClient` only accepts a transport with an older interface. The SDK keeps a current one in this property.
  const pipeline = Object.assign(newPipeline(credential, options), { _coreHttpClient: limitedClient(clock) })
  return new BlobServiceClient('sasToken' in by ? `${url}?${by.sasToken}` : url, pipeline)
}
