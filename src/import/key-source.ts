import type { EntityManager } from '@mikro-orm/postgresql'
import type { SyncRun } from '../entities/sync-run.ts'
import { SluiceError } from '../errors.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { sql } from '../sql.ts'
import type { ObjectSource, Page } from './source.ts'

const pageSize = 1_000

/**
 * The objects that failed in another run: each key of its issues once, in order, with its present metadata. A missing
 * object has size 0; reading it reports OBJECT_MISSING. Folders and keys that are not text are left to the next sync.
 */
export const retrySource =
  (em: EntityManager, run: SyncRun, provider: Provider): ObjectSource =>
  (range, signal) =>
    pagesOf(em, { run, provider, cursor: range.cursor, signal })

async function* pagesOf(
  em: EntityManager,
  { run, provider, cursor, signal }: { run: SyncRun; provider: Provider; cursor: string | null; signal: AbortSignal },
): AsyncGenerator<Page> {
  for (let from = cursor; ; ) {
    const rows = await sql<{ key: string }>(
      em,
      `select distinct key from sync_issue
       where run_id = $1 and key is not null and code <> 'KEY_NOT_TEXT' and key not like '%/'
         and ($2::text is null or key > $2)
       order by key limit $3`,
      [run.retryOf, from, pageSize],
    )
    const objects: ObjectInfo[] = []
    for (const { key } of rows) objects.push(await find(provider, key, signal))
    from = rows.length < pageSize ? null : rows.at(-1)!.key
    yield { objects, cursor: from, range: null, waitedMs: 0, gaps: [] }
    if (from === null) return
  }
}

async function find(provider: Provider, key: string, signal: AbortSignal): Promise<ObjectInfo> {
  const unknown = { key, size: 0, etag: null, lastModified: null }
  if (provider.keyCursor) {
    const { objects } = await provider.list({ cursor: justBefore(key), limit: 1, recursive: true, signal })
    return objects[0]?.key === key ? objects[0] : unknown
  }
  try {
    const { body, size, etag, lastModified } = await provider.read(key, { signal })
    body.destroy()
    return { key, size, etag, lastModified }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof SluiceError) return error.code === 'WRONG_TYPE' ? { ...unknown, fault: error } : unknown
    throw error
  }
}

/** A string that sorts directly before the key: only keys with U+10FFFF lie between them. */
function justBefore(key: string): string | null {
  const points = [...key]
  const last = points.pop()!.codePointAt(0)!
  const before = last === 0xe000 ? 0xd7ff : last - 1
  const text = points.join('') + (before < 1 ? '' : `${String.fromCodePoint(before)}\u{10ffff}`)
  return text === '' ? null : text
}
