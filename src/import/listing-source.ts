import { compareKeys } from '../providers/key-order.ts'
import { followListing } from '../providers/kit/list-progress.ts'
import type { ListPage, ObjectInfo, Provider } from '../providers/provider.ts'
import type { ObjectSource, Page, SourceRange } from './source.ts'

/** How a storage is listed. */
interface Listing {
  /** Whether the keys have come in byte order so far. Read once for each range. */
  isOrdered: () => Promise<boolean>
  recursive: boolean
}

const pageSize = 1_000

/**
 * The objects that the storage lists. While a page is processed, the next one is requested; its error is thrown when it is its turn.
 * @throws SluiceError as `Provider.list`; UNEXPECTED_ANSWER for a listing that would never end.
 */
export const listingSource =
  (provider: Provider, listing: Listing): ObjectSource =>
  (range, signal) =>
    pagesOf(provider, listing, { range, signal })

async function* pagesOf(
  provider: Provider,
  { isOrdered: readIsOrdered, recursive }: Listing,
  { range, signal }: { range: SourceRange; signal: AbortSignal },
): AsyncGenerator<Page> {
  const ended = new AbortController()
  const listSignal = AbortSignal.any([signal, ended.signal])
  const requestPage = (from: string | null) => {
    const page = provider.list({ cursor: from, limit: pageSize, recursive, signal: listSignal })
    page.catch(() => {})
    return page
  }
  const progress = followListing({ ordered: (provider.ordered ?? provider.ascends) === true })
  let isOrdered = await readIsOrdered()
  let after = range.lastKey ?? range.after
  // The last key that the database can compare with; undefined if the last key is not text.
  let bound = isText(after) ? after : undefined
  try {
    for (let next: Promise<ListPage> | undefined = requestPage(range.cursor ?? range.after); next; ) {
      const startedAt = performance.now()
      const listed: ListPage = await next
      progress.add(listed)
      const { objects } = listed
      const cursor: string | null = listed.cursor
      const waitedMs = performance.now() - startedAt
      isOrdered &&= ascends(objects, after)
      const inside = isOrdered ? keysUpTo(objects, range.until) : unique(objects)
      const isLast: boolean = cursor === null || (isOrdered && inside.length < objects.length)
      const lastKey: string | null = inside.at(-1)?.key ?? after
      const lastText = inside.findLast(({ key }) => isText(key))?.key ?? bound
      next = isLast ? undefined : requestPage(cursor)
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
    ended.abort()
  }
}

/** Whether the keys ascend. If a server breaks the order of its API, keys that it does not list may still exist. */
function ascends(objects: ObjectInfo[], after: string | null): boolean {
  let last = after
  for (const { key } of objects) {
    if (last !== null && compareKeys(last, key) >= 0) return false
    last = key
  }
  return true
}

function keysUpTo(objects: ObjectInfo[], until: string | null): ObjectInfo[] {
  const last = objects.at(-1)
  if (!last || isUpTo(last.key, until)) return objects
  return objects.filter(({ key }) => isUpTo(key, until))
}

const isUpTo = (key: string, until: string | null) => until === null || compareKeys(key, until) <= 0

/** Whether the database can store the key and compare with it. */
const isText = (key: string | null) => key === null || (key.isWellFormed() && !key.includes('\0'))

/** An unordered listing can return a key twice. */
function unique(objects: ObjectInfo[]): ObjectInfo[] {
  const byKey = new Map(objects.map((object) => [object.key, object]))
  return byKey.size === objects.length ? objects : [...byKey.values()]
}
