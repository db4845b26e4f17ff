import type { AdaptiveLimit } from '../adaptive.ts'
import type { Provider } from '../providers/provider.ts'
import type { Breaker, CallOptions } from './breaker.ts'

/**
 * The provider of a run. Its calls pause while the storage is unavailable, and are repeated when it is back. When the storage asks to
 * slow down, `limit` allows fewer calls at the same time.
 */
export function retryingProvider(
  provider: Provider,
  { breaker, signal, limit }: { breaker: Pick<Breaker, 'call'>; signal: AbortSignal; limit?: AdaptiveLimit },
): Provider {
  let lastKey: string | undefined
  const callOptions: CallOptions = {
    signal,
    // A HEAD of an object that was read proves more than a listing.
    probe: () => (lastKey === undefined ? provider.check(signal) : provider.head(lastKey, signal)),
    slowDown: () => limit?.slowDown(),
  }
  return {
    ...provider,
    list: (options) => breaker.call(callOptions, () => provider.list(options)),
    head: (key, abort) => breaker.call(callOptions, () => provider.head(key, abort)),
    remove: (key, abort) => breaker.call(callOptions, () => provider.remove(key, abort)),
    async read(key, options) {
      const opened = await breaker.call(callOptions, () => provider.read(key, options))
      lastKey = key
      return opened
    },
    async write(key, body, options) {
      await breaker.call(callOptions, () => provider.write(key, body, options))
      lastKey = key
    },
  }
}
