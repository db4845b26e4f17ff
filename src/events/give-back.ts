import { Session } from 'node:inspector/promises'
import { performance } from 'node:perf_hooks'

/** So few subscribers leave nothing behind that would be worth a pause. */
const few = 1_000
/** Share of the time that the process may be at work to be called calm. */
const calm = 0.1

/**
 * Gives memory back to the system when half of many subscribers have left. V8 keeps the pages of a heap that has shrunk for its
 * next growth (`pooled` in `--trace-gc`), and without this to the end of the process. It costs a pause of some hundred
 * milliseconds, so it waits for a calm moment, and for as many subscribers anew.
 * @returns what ends it
 */
export function giveBackMemory(
  subscribers: () => number,
  { everyMs = 1_000, load = createLoad(), collect = collectAll }: Partial<Pacing> = {},
): () => Promise<void> {
  let most = 0
  const timer = setInterval(() => {
    const [left, isCalm] = [subscribers(), load() <= calm]
    most = Math.max(most, left)
    if (most < few || left > most / 2 || !isCalm) return
    most = left
    void collect()
  }, everyMs).unref()
  return async () => clearInterval(timer)
}

interface Pacing {
  everyMs: number
  /** Share of the time since it was last asked in which the process was at work. */
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
