import { LRUCache } from 'lru-cache'
import { type Clocks, machineClocks, watchClock } from '../clock-step.ts'

/** A signed URL, the signer's bytes untouched, and when it ends; null = never. */
export interface SignedUrl {
  url: string
  expiresAt: Date | null
}

/** Signed URLs that are handed out again. */
export interface SignedUrls {
  /**
   * The URL known as `name`, made by `sign` when there is none or less than half of its life is left: so a browser that asks
   * again within that time is led to the same address, and finds in its cache what it fetched from there. Requests at the
   * same time share one; a failure is not kept, and neither is any URL from before this machine's clock was set. A URL lives
   * `ttlMs` at most.
   */
  get(name: string, sign: () => Promise<URL>, ttlMs?: number): Promise<SignedUrl>
}

interface Kept {
  signed: Promise<SignedUrl>
  /** By the clock that nobody sets. */
  renewAt: number
  /** Whether the time of day, with which it may have been signed, was set since. */
  isOutdated: () => boolean
}

/** Keeps at most `max` of them, in memory only. */
export function createSignedUrls({
  max = 10_000,
  now = machineClocks.now,
  elapsed = now === machineClocks.now ? machineClocks.elapsed : now,
}: {
  max?: number
} & Partial<Clocks> = {}): SignedUrls {
  const kept = new LRUCache<string, Kept>({ max })
  return {
    get(name, sign, ttlMs = Infinity) {
      const present = kept.get(name)
      if (present && elapsed() < present.renewAt && !present.isOutdated()) return present.signed
      const [madeAt, madeOn] = [elapsed(), now()]
      const fresh: Kept = {
        renewAt: Infinity,
        isOutdated: watchClock({ now, elapsed }),
        signed: sign().then((url) => {
          const expiresAt = endOf(url)
          if (expiresAt) fresh.renewAt = madeAt + Math.min(ttlMs, lifeOf(url) ?? expiresAt.getTime() - madeOn) / 2
          return { url: url.href, expiresAt }
        }),
      }
      kept.set(name, fresh)
      fresh.signed.catch(() => kept.get(name) === fresh && kept.delete(name))
      return fresh.signed
    },
  }
}

/** How long a URL lives from when it was signed, in milliseconds; undefined if it says only when it ends. */
function lifeOf({ searchParams }: URL): number | undefined {
  const seconds = Number(searchParams.get('X-Amz-Expires') ?? searchParams.get('X-Goog-Expires') ?? Number.NaN)
  return seconds > 0 ? seconds * 1000 : undefined
}

/**
 * When a signed URL ends, by its own words: `X-Amz-Date` and `X-Amz-Expires` (Amazon S3, "Authenticating requests: using query
 * parameters"), the same with `X-Goog-` (Cloud Storage, "Signed URLs"), `se` (Azure, "Create a service SAS"); null when it is
 * not signed.
 */
export function endOf({ searchParams }: URL): Date | null {
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
