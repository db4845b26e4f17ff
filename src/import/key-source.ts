import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, sql } from 'kysely'
import type { AdaptiveLimit } from '../adaptive.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { SluiceError } from '../errors.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { execute } from '../sql.ts'
import { inScope, type ListingScope } from './link-states.ts'
import type { ObjectSource, Page } from './source.ts'

// A page has one checkpoint and one progress event.
const pageSize = 500

interface KeySource {
  /** The next keys after a key (null = the first), at most `pageSize`, in order. */
  nextKeys: (after: string | null) => Promise<string[]>
  provider: Provider
  /** Keys outside are not looked up. */
  scope: ListingScope
  limit: AdaptiveLimit
}

/** The keys that a client has chosen for the run. */
export const chosenKeys =
  (em: EntityManager, { id }: SyncRun) =>
  (after: string | null): Promise<string[]> =>
    keysOf(em, sql`select key from sync_key where run_id = ${id} and kind = 'CHOSEN'`, after)

/** The keys of the objects that failed in another run. Skips folders and keys that are not text. */
export const failedKeys =
  (em: EntityManager, { retryOf }: SyncRun) =>
  (after: string | null): Promise<string[]> =>
    keysOf(
      em,
      sql`select distinct key from sync_issue
       where run_id = ${retryOf} and key is not null and code <> 'KEY_NOT_TEXT' and key not like '%/'`,
      after,
    )

async function keysOf(em: EntityManager, query: RawBuilder<unknown>, after: string | null): Promise<string[]> {
  const rows = await execute<{ key: string }>(
    em,
    sql`${query} and (${after}::text is null or key > ${after}) order by key limit ${pageSize}`,
  )
  return rows.map(({ key }) => key)
}

/** The objects of a list of keys, in the order of the keys. Each is looked up when its page is read. */
export const keySource =
  (options: KeySource): ObjectSource =>
  (range, signal) =>
    pagesOf(options, range.cursor, signal)

async function* pagesOf(
  { nextKeys, provider, scope, limit }: KeySource,
  cursor: string | null,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  for (let from = cursor; ; ) {
    const keys = await nextKeys(from)
    const inside = keys.filter((key) => inScope(key, scope))
    const found = await Promise.all(inside.map((key) => limit.run(() => lookUp(provider, key, signal))))
    const objects = found.filter((object) => object !== undefined)
    // If the bucket or folder is missing, a HEAD also reports a missing object. Listing it throws.
    if (found.some((object) => !object || object.fault)) {
      await provider.list({ cursor: null, limit: 1, recursive: true, signal })
    }
    from = keys.length < pageSize ? null : keys.at(-1)!
    yield {
      ...{ objects, cursor: from, range: null, waitedMs: 0, gaps: [] },
      absent: inside.filter((_, at) => found[at] === undefined),
      outside: keys.length - inside.length,
    }
    if (from === null) return
  }
}

/** The present metadata of an object; undefined if the object does not exist. */
async function lookUp(provider: Provider, key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
  try {
    signal.throwIfAborted()
    const { size, etag, lastModified } = await provider.head(key, signal)
    return { key, size, etag, lastModified }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof SluiceError)) throw error
    return error.code === 'OBJECT_MISSING' ? undefined : { key, size: 0, etag: null, lastModified: null, fault: error }
  }
}
