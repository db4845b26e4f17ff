/**
 * Calls `work` for every item, at most `concurrency` at a time, in order of start. The first rejection stops further
 * starts and is thrown once the calls under way have ended.
 */
export async function forEachBounded<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  let failed = false
  let failure: unknown
  const lane = async () => {
    while (next < items.length && !failed) {
      try {
        await work(items[next++]!)
      } catch (error) {
        failure = failed ? failure : error
        failed = true
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, lane))
  if (failed) throw failure
}
