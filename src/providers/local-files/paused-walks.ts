import type { ListGap } from '../provider.ts'
import type { FoundFile } from './walk.ts'

type Walk = AsyncGenerator<FoundFile | ListGap>

// Each walk holds the names in the folders that it is in.
const maxWalks = 16

/**
 * A cache of walks that stopped at the end of a page, so that the next page need not read and sort the same folders again. Each
 * range of a listing has its own walk. With more than 16 walks, the oldest one is dropped.
 */
export function pausedWalks() {
  const walks = new Map<string, Walk>()
  const name = (cursor: string | null, recursive: boolean) => `${recursive} ${cursor}`
  return {
    /** Removes and returns the walk that continues at `cursor`, if it is in the cache. */
    take(cursor: string | null, recursive: boolean): Walk | undefined {
      const files = walks.get(name(cursor, recursive))
      walks.delete(name(cursor, recursive))
      return files
    },
    keep(cursor: string, recursive: boolean, files: Walk): void {
      walks.set(name(cursor, recursive), files)
      if (walks.size > maxWalks) walks.delete(walks.keys().next().value!)
    },
  }
}
