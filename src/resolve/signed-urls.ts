import { LRUCache } from 'lru-cache'
import { type Clocks, machineClocks, watchClock } from '../clock-step.ts'

/** A presigned URL, byte by byte as it was signed, and its expiry; null = never. */
export interface SignedUrl {
  url: string
  expiresAt: Date | null
}

/** Cache of presigned URLs. */
export interface SignedUrls {
  /**
   * The cached URL for `name`, or a new one from `sign` if less than half of its lifetime is left. So a browser gets the same URL
   * again and can use its own cache. Concurrent calls sign once. Failures, and URLs from before the clock of this machine was set,
   * are not cached. A URL lives for at most `ttlMs`.
   */
  get(name: string, sign: () => Promise<URL>, ttlMs?: number): Promise<SignedUrl>
}

interface CachedUrl {
  signed: Promise<SignedUrl>
  /** Time of the monotonic clock. */
  renewAt: number
  /** Whether the system clock was set since the URL was signed. */
  isOutdated: () => boolean
}

/** Creates a cache of at most `max` URLs, in memory. */
export function createSignedUrls({
  max = 10_000,
  now = machineClocks.now,
  elapsed = now === machineClocks.now ? machineClocks.elapsed : now,
}: {
  max?: number
} & Partial<Clocks> = {}): SignedUrls {
  const cache = new LRUCache<string, CachedUrl>({ max })
  return {
    get(name, sign, ttlMs = Infinity) {
      const cached = cache.get(name)
      if (cached && elapsed() < cached.renewAt && !cached.isOutdated()) return cached.signed
      const [madeAt, madeOn] = [elapsed(), now()]
      const fresh: CachedUrl = {
        renewAt: Infinity,
        isOutdated: watchClock({ now, elapsed }),
        signed: sign().then((url) => {
          const expiresAt = endOf(url)
          if (expiresAt) fresh.renewAt = madeAt + Math.min(ttlMs, lifeOf(url) ?? expiresAt.getTime() - madeOn) / 2
          return { url: url.href, expiresAt }
        }),
      }
      cache.set(name, fresh)
      fresh.signed.catch(() => cache.get(name) === fresh && cache.delete(name))
      return fresh.signed
    },
  }
}

/** Milliseconds that a URL that was signed at `now` lives. Infinity if it is not signed. */
export function lifetimeOf(url: URL, now: number): number {
  return lifeOf(url) ?? (endOf(url)?.getTime() ?? Infinity) - now
}

/** Lifetime of a URL in milliseconds from its signature; undefined if the URL contains only its expiry. */
function lifeOf({ searchParams }: URL): number | undefined {
  const seconds = Number(searchParams.get('X-Amz-Expires') ?? searchParams.get('X-Goog-Expires') ?? Number.NaN)
  return seconds > 0 ? seconds * 1000 : undefined
}

/**
 * Expiry of a presigned URL by its own parameters: `X-Amz-Date` and `X-Amz-Expires` (Amazon S3, "Authenticating requests: using query
 * parameters"), the same with `X-Goog-` (Cloud Storage, "Signed URLs"), `se` (Azure, "Create a service SAS"). Null if it is not
 * signed.
 */
function endOf({ searchParams }: URL): Date | null {
  for (const vendor of ['Amz', 'Goog']) {
    const [, year, month, day, hour, minute, second] =
      /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(searchParams.get(`X-${vendor}-Date`) ?? '') ?? []
    const seconds = Number(searchParams.get(`X-${vendor}-Expires`))
    if (year === undefined || !(seconds > 0)) continue
    return new Date(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) + seconds * 1000)
  }
  const end = Date.parse(searchParams.get('se') ?? '')
  return Number.isNaN(end) ? null : new Date(end)
}
