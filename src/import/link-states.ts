import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { sql } from '../sql.ts'
import type { Page } from './source.ts'

/** The keys that a listing returns. Other keys cannot be missing from it. */
export interface ListingScope {
  prefix: string
  recursive: boolean
}

/** Which links a page is compared with. */
export interface LinkOptions {
  storage: Pick<Storage, 'id' | 'changedPolicy' | 'missingPolicy'>
  run: Pick<SyncRun, 'id' | 'firstLink'>
  scope: ListingScope
}

/** What the links say about an object of a page. */
export type LinkState =
  /** No link exists for the object. */
  | 'NEW'
  /** Some of its rows are linked. */
  | 'PARTIAL'
  /** Another version of it is linked. */
  | 'CHANGED'
  /** A previous attempt at this page linked and counted it. */
  | 'IMPORTED_BY_THIS_RUN'
  | 'UNCHANGED'

interface LinkStates {
  /** States by position in the page. An object without an entry is UNCHANGED. */
  at: Map<number, LinkState>
  allNew: boolean
  restored: string[]
  missing: string[]
}

interface Difference {
  at: number | null
  key: string
  state: LinkState | 'MISSING'
  restored: boolean
}

/** Compares the objects of a page with the links of the storage, in one statement. */
export async function readLinkStates(
  em: EntityManager,
  { storage, run, scope }: LinkOptions,
  { objects, range }: Page,
): Promise<LinkStates> {
  const watchesChanges = storage.changedPolicy !== 'IGNORE'
  const watchesMissing = range !== null && storage.missingPolicy !== 'KEEP'
  if (objects.length === 0 && !watchesMissing) return { at: new Map(), allNew: false, restored: [], missing: [] }
  const differences = await sql<Difference>(em, range ? inRange : byKeys, [
    storage.id,
    objects.map(({ key }) => key),
    watchesChanges ? objects.map(({ size }) => size) : null,
    watchesChanges ? objects.map(({ etag }) => etag) : null,
    watchesChanges ? objects.map(({ lastModified }) => lastModified?.toISOString() ?? null) : null,
    watchesChanges,
    watchesMissing,
    storage.missingPolicy === 'DELETE_UNANNOTATED',
    run.id,
    run.firstLink,
    ...(range ? [range.after, range.until, scope.prefix] : []),
  ])
  const [only] = differences
  if (only?.key === null) return { at: new Map(), allNew: true, restored: [], missing: [] }
  return {
    at: new Map(
      differences.flatMap(({ at, state }) =>
        at === null || state === 'MISSING' || state === 'UNCHANGED' ? [] : [[at, state]],
      ),
    ),
    allNew: false,
    restored: differences.flatMap(({ restored, key }) => (restored ? [key] : [])),
    missing: differences.flatMap(({ state, key }) => (state === 'MISSING' && inScope(key, scope) ? [key] : [])),
  }
}

/** Whether a listing of the storage can return the key. */
export function inScope(key: string, { prefix, recursive }: ListingScope): boolean {
  return key.startsWith(prefix) && (recursive || !key.slice(prefix.length).includes('/'))
}

/** Those of the keys that have links, and whether `missingPolicy` has something to do about them. */
export async function readLinked(
  em: EntityManager,
  { id, missingPolicy }: LinkOptions['storage'],
  keys: string[],
): Promise<Map<string, boolean>> {
  const rows = await sql<{ key: string; object_exists: boolean }>(
    em,
    `select key, object_exists from import_link where storage_id = $1 and key = any($2) and row_index = -1 and row_exists
     union all select key, object_exists from imported_object where storage_id = $1 and key = any($2)`,
    [id, keys],
  )
  const isDue = (exists: boolean) => missingPolicy !== 'KEEP' && (exists || missingPolicy === 'DELETE_UNANNOTATED')
  return new Map(rows.map(({ key, object_exists }) => [key, isDue(object_exists)]))
}

// A listing can return times to the millisecond, and a HEAD to the second (S3: LastModified, Last-Modified).
/** SQL condition: two times of an object differ, at the lower precision of the two. */
export const timesDiffer = (a: string, b: string) => `(${a} is distinct from ${b} and (
  ${a} is null or ${b} is null or date_trunc('second', ${a}) <> date_trunc('second', ${b})
  or (${a} <> date_trunc('second', ${a}) and ${b} <> date_trunc('second', ${b}))))`

// For an ordered listing, one scan of the index covers the range of the page and shows which linked keys were not listed. For an
// unordered listing, each key is looked up. One row without a key means that nothing is linked, as in a first import.
const differencesOf = (where: (table: string) => string) => `
with known as materialized (
  select k.key, k.size, k.etag, k.last_modified, k.object_exists, true as complete, k.id > $10 as own
  from import_link k where k.storage_id = $1 and k.row_index = -1 and k.row_exists and ${where('k')}
  union all
  select o.key, o.size, o.etag, o.last_modified, o.object_exists, o.rows is not null, o.finished_by = $9
  from imported_object o where o.storage_id = $1 and ${where('o')})
select null::int as at, null as key, 'NEW' as state, false as restored where not exists (select 1 from known)
union all
select * from (
  select l.at::int - 1 as at, coalesce(l.key, k.key) as key,
    case when l.key is null then 'MISSING'
      when k.key is null then 'NEW'
      when not k.complete then 'PARTIAL'
      when $6 and (l.etag is distinct from k.etag or l.size is distinct from k.size
        or ${timesDiffer('l.modified', 'k.last_modified')}) then 'CHANGED'
      when k.own then 'IMPORTED_BY_THIS_RUN'
      else 'UNCHANGED' end as state,
    l.key is not null and not k.object_exists as restored
  from unnest($2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) with ordinality as l (key, size, etag, modified, at)
  full join known k on k.key = l.key
  where exists (select 1 from known) and (l.key is not null or ($7 and (k.object_exists or $8)))) d
where state <> 'UNCHANGED' or restored`

const inRange = differencesOf(
  (t) => `($11::text is null or ${t}.key > $11) and ($12::text is null or ${t}.key <= $12)
    and ${t}.key >= $13 and starts_with(${t}.key, $13)`,
)

const byKeys = differencesOf((t) => `${t}.key = any($2)`)
