import { compareKeys } from '../providers/key-order.ts'
import { followListing } from '../providers/kit/list-progress.ts'
import type { ListGap, ListPage, ObjectInfo, Provider } from '../providers/provider.ts'

/** A page of a listing, cut to the range that is listed. */
export interface Page {
  objects: ObjectInfo[]
  /** Where the listing continues. */
  cursor: string | null
  /**
   * The keys that the page is the whole truth of: behind `after`, up to `until`, null = from the beginning, to the end. Null
   * where the storage lists in no order: there a page tells nothing of keys that are not in it.
   */
  range: { after: string | null; until: string | null } | null
  /** Whether the page had been waited for; else it was there before it was wanted. */
  waitedMs: number
  /** What could not be listed, so that nothing there is missing. */
  gaps: ListGap[]
}

/** What is listed: behind `after` (a key) or from `cursor` on, up to `until`; null = no bound. */
interface ListedRange {
  after: string | null
  until: string | null
  cursor: string | null
  /** The last key before `cursor`. */
  lastKey: string | null
}

/** How a range is listed. */
export interface Listing {
  range: ListedRange
  /** Whether keys are taken to come in byte order, until they do not. */
  isOrdered: boolean
  recursive: boolean
  signal: AbortSignal
}

const pageSize = 1_000

/**
 * The listing of a range, page by page. While a page is at work the next one is on its way; its fault shows when it is its
 * turn.
 * @throws SluiceError as `Provider.list`; UNEXPECTED_ANSWER for a listing that would never end.
 */
export async function* pagesOf(
  provider: Provider,
  { range, isOrdered: wasOrdered, recursive, signal }: Listing,
): AsyncGenerator<Page> {
  const left = new AbortController()
  const either = AbortSignal.any([signal, left.signal])
  const ask = (from: string | null) => {
    const page = provider.list({ cursor: from, limit: pageSize, recursive, signal: either })
    page.catch(() => {})
    return page
  }
  const progress = followListing({ ordered: (provider.ordered ?? provider.ascends) === true })
  let isOrdered = wasOrdered
  let after = range.lastKey ?? range.after
  // The last key that the database can compare with; undefined while that is not known, as behind a key that is no text.
  let bound = isText(after) ? after : undefined
  try {
    for (let next: Promise<ListPage> | undefined = ask(range.cursor ?? range.after); next; ) {
      const asked = performance.now()
      const listed: ListPage = await next
      progress.add(listed)
      const { objects } = listed
      const cursor: string | null = listed.cursor
      const waitedMs = performance.now() - asked
      isOrdered &&= ascends(objects, after)
      const inside = isOrdered ? cut(objects, range.until) : unique(objects)
      const isLast: boolean = cursor === null || (isOrdered && inside.length < objects.length)
      const lastKey: string | null = inside.at(-1)?.key ?? after
      const lastText = inside.findLast(({ key }) => isText(key))?.key ?? bound
      next = isLast ? undefined : ask(cursor)
      yield {
        objects: inside,
        cursor: isLast ? null : cursor,
        range:
          isOrdered && bound !== undefined && lastText !== undefined && (isLast || lastText !== null)
            ? { after: bound, until: isLast ? range.until : lastText }
            : null,
        waitedMs,
        gaps: (listed.gaps ?? []).filter(({ key }) => !isOrdered || isUpTo(key, range.until)),
      }
      after = lastKey
      bound = lastText
    }
  } finally {
    left.abort()
  }
}

/** A server that only speaks an ordered API may break its order: then it proves nothing about what it does not list. */
function ascends(objects: ObjectInfo[], after: string | null): boolean {
  let last = after
  for (const { key } of objects) {
    if (last !== null && compareKeys(last, key) >= 0) return false
    last = key
  }
  return true
}

function cut(objects: ObjectInfo[], until: string | null): ObjectInfo[] {
  const last = objects.at(-1)
  if (!last || isUpTo(last.key, until)) return objects
  return objects.filter(({ key }) => isUpTo(key, until))
}

const isUpTo = (key: string, until: string | null) => until === null || compareKeys(key, until) <= 0

/** Whether the database can hold the key, and so compare with it. */
const isText = (key: string | null) => key === null || (key.isWellFormed() && !key.includes('\0'))

/** Where there is no order, a key may come twice. */
function unique(objects: ObjectInfo[]): ObjectInfo[] {
  const byKey = new Map(objects.map((object) => [object.key, object]))
  return byKey.size === objects.length ? objects : [...byKey.values()]
}
