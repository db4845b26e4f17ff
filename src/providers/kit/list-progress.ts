import { SluiceError } from '../../errors.ts'
import { compareKeys } from '../key-order.ts'
import type { ListPage } from '../provider.ts'

// Clouds give an empty page for each part of a bucket that holds nothing under the prefix.
const maxEmptyPages = 500
// A server with an order of its own, such as that of a language, falls back from time to time.
const maxPagesWithoutProgress = 20
// SCAN can give a small page twice.
const maxRepeatedPages = 5
const rememberedPages = 10_000

/** Follows a listing from page to page. */
export interface ListProgress {
  /** Takes the next page. @throws SluiceError UNEXPECTED_ANSWER if a listing that goes on like this never ends. */
  add(page: ListPage): void
}

/**
 * Notices listings that never end: pages without keys, cursors that come again, pages that come again, and, where the
 * storage promises an order, keys that never get beyond the greatest one seen. New keys in order are a listing, however many.
 */
export function followListing({ ordered }: { ordered: boolean }): ListProgress {
  let emptyPages = 0
  let fallenBehind = 0
  let repeated = 0
  let greatest: string | null = null
  const pages = new Set<string>()
  const cursors = cycleDetector()
  const stop = () => {
    throw new SluiceError(
      'UNEXPECTED_ANSWER',
      'The listing does not come to an end: its keys or pages repeat or descend.',
    )
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
        fallenBehind = 0
      } else if (cursor !== null && ++fallenBehind >= maxPagesWithoutProgress) stop()
    },
  }
}

/** Finds out that a sequence repeats, with one value in memory (R. P. Brent, "An improved Monte Carlo factorization algorithm"). */
export function cycleDetector(): { hasSeen(value: string): boolean } {
  let kept: string | undefined
  let steps = 0
  let power = 1
  return {
    hasSeen(value) {
      if (value === kept) return true
      if (++steps === power) {
        kept = value
        power *= 2
        steps = 0
      }
      return false
    },
  }
}
