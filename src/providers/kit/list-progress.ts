import { SluiceError } from '../../errors.ts'
import { compareKeys } from '../key-order.ts'
import type { ListPage } from '../provider.ts'

// Clouds return an empty page for each part of a bucket that has no key under the prefix.
const maxEmptyPages = 500
// A server with another order, such as that of a language, goes back from time to time.
const maxPagesWithoutProgress = 20
// SCAN can return a small page twice.
const maxRepeatedPages = 5
const rememberedPages = 10_000

/** Checks that a listing makes progress. */
interface ListProgress {
  /**
   * Checks the next page.
   * @throws SluiceError UNEXPECTED_ANSWER if the listing will not end
   */
  add(page: ListPage): void
}

/**
 * Detects listings that never end: too many empty pages, repeated cursors, repeated pages and, if the storage promises an
 * order, keys that do not pass the greatest one. The number of new keys has no limit.
 */
export function followListing({ ordered }: { ordered: boolean }): ListProgress {
  let emptyPages = 0
  let pagesWithoutProgress = 0
  let repeated = 0
  let greatest: string | null = null
  const pages = new Set<string>()
  const cursors = cycleDetector()
  const stop = () => {
    throw new SluiceError('UNEXPECTED_ANSWER', 'The listing does not end: its keys or pages repeat or descend.')
  }
  return {
    add({ objects, cursor }) {
      if (cursor !== null && cursors.hasSeen(cursor)) stop()
      const [first, last] = [objects[0]?.key, objects.at(-1)?.key]
      if (first === undefined || last === undefined) {
        if (++emptyPages > maxEmptyPages) stop()
        return
      }
      emptyPages = 0
      const name = JSON.stringify([
        objects.length,
        first.slice(0, 128),
        last.slice(0, 128),
        objects[objects.length >> 1]!.key.slice(0, 128),
      ])
      if (pages.has(name) && ++repeated > maxRepeatedPages) stop()
      if (pages.size >= rememberedPages) pages.clear()
      pages.add(name)
      if (!ordered) return
      if (greatest === null || compareKeys(last, greatest) > 0 || compareKeys(first, greatest) > 0) {
        greatest = greatest === null || compareKeys(last, first) > 0 ? last : first
        pagesWithoutProgress = 0
      } else if (cursor !== null && ++pagesWithoutProgress >= maxPagesWithoutProgress) stop()
    },
  }
}

/**
 * Detects that a sequence repeats, with one value in memory (R. P. Brent, "An improved Monte Carlo factorization algorithm").
 */
export function cycleDetector(): { hasSeen(value: string): boolean } {
  let remembered: string | undefined
  let steps = 0
  let power = 1
  return {
    hasSeen(value) {
      if (value === remembered) return true
      if (++steps === power) {
        remembered = value
        power *= 2
        steps = 0
      }
      return false
    },
  }
}
