import { Session } from 'node:inspector/promises'
import { performance } from 'node:perf_hooks'

/** Below this number of subscribers, the freed memory is not worth a GC pause. */
const minSubscribers = 1_000
/** The collection waits until the event loop is busy for at most this share of the time. */
const maxLoad = 0.1

/**
 * Returns memory to the system after half of many subscribers have left. V8 pools the pages of a heap that shrank (`pooled` in
 * `--trace-gc`) until the process ends. The collection pauses the process for some hundred milliseconds, so it waits for low
 * load, and runs again only after the number of subscribers has halved again.
 * @returns a function that stops it
 */
export function releaseMemory(
  subscribers: () => number,
  { everyMs = 1_000, load = createLoad(), collect = collectAll }: Partial<Pacing> = {},
): () => Promise<void> {
  let most = 0
  const timer = setInterval(() => {
    const [left, isIdle] = [subscribers(), load() <= maxLoad]
    most = Math.max(most, left)
    if (most < minSubscribers || left > most / 2 || !isIdle) return
    most = left
    void collect()
  }, everyMs).unref()
  return async () => clearInterval(timer)
}

interface Pacing {
  everyMs: number
  /** Share of the time since the last call in which the event loop was busy. */
  load: () => number
  collect: () => Promise<void>
}

function createLoad(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}

/**
 * Collects garbage as V8 does when memory runs out, which empties its pool of pages, too (HeapProfiler.collectGarbage of the
 * Chrome DevTools Protocol; `gc()` needs a flag).
 */
export async function collectAll(): Promise<void> {
  const session = new Session()
  session.connect()
  try {
    await session.post('HeapProfiler.collectGarbage')
  } finally {
    session.disconnect()
  }
}
