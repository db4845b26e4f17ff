import type { ListGap } from '../provider.ts'
import type { FoundFile } from './walk.ts'

type Walk = AsyncGenerator<FoundFile | ListGap>

// Each keeps the names of the folders it is in.
const mostKept = 16

/**
 * Walks that wait where a page ended, so that the next page need not read and sort the same folders again; one for each range
 * of a place that is listed in several. When there are too many, the one that has waited longest is forgotten.
 */
export function pausedWalks() {
  const kept = new Map<string, Walk>()
  const name = (cursor: string | null, recursive: boolean) => `${recursive} ${cursor}`
  return {
    /** The walk that goes on at `cursor`, which is its taker's from now on; undefined when there is none. */
    take(cursor: string | null, recursive: boolean): Walk | undefined {
      const files = kept.get(name(cursor, recursive))
      kept.delete(name(cursor, recursive))
      return files
    },
    keep(cursor: string, recursive: boolean, files: Walk): void {
      kept.set(name(cursor, recursive), files)
      if (kept.size > mostKept) kept.delete(kept.keys().next().value!)
    },
  }
}
