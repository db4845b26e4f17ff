import type { EntityManager } from '@mikro-orm/postgresql'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import { execute } from '../sql.ts'
import type { Page } from './source.ts'

/** The keys that a listing returns. Other keys cannot be missing from it. */
export interface ListingScope {
  prefix: string
  recursive: boolean
}

/** Which links a page is compared with. */
export interface LinkOptions {
  storage: Pick<Storage, 'id' | 'changedPolicy' | 'missingPolicy' | 'importMethod' | 'rowKey'>
  run: Pick<SyncRun, 'id' | 'firstLink'>
  scope: ListingScope
}

/** How an object of a page compares with its links. */
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
  const watchesMissing = range !== null && storage.missingPolicy !== 'KEEP'
  if (objects.length === 0 && !watchesMissing) return { at: new Map(), allNew: false, restored: [], missing: [] }
  const isCandidate = range ? inRange(range, scope) : isListed
  const differences = await execute(em, differencesOf({ storage, run }, { objects, isCandidate, watchesMissing }))
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

/** The keys that have links, each with whether `missingPolicy` still applies to it. */
export async function readLinked(
  em: EntityManager,
  { id, missingPolicy }: LinkOptions['storage'],
  keys: string[],
): Promise<Map<string, boolean>> {
  const rows = await execute<{ key: string; object_exists: boolean }>(
    em,
    sql`with listed as (select unnest(${keys}::text[]) as key)
     select k.key, k.object_exists from import_link k
     where k.storage_id = ${id} and ${isListed('k')} and k.row_index = -1 and k.row_exists
     union all select o.key, o.object_exists from imported_object o where o.storage_id = ${id} and ${isListed('o')}`,
  )
  const isDue = (exists: boolean) => missingPolicy !== 'KEEP' && (exists || missingPolicy === 'DELETE_UNANNOTATED')
  return new Map(rows.map(({ key, object_exists }) => [key, isDue(object_exists)]))
}

/**
 * Of objects that were imported in part: the positions of those whose links all have the present version, so that equal positions
 * mean equal rows. An object without an etag has no version.
 */
export async function readUnfinished(
  em: EntityManager,
  { id }: Pick<Storage, 'id'>,
  objects: ObjectInfo[],
): Promise<number[]> {
  const differs = (name: string) => {
    const link = sql.id(name)
    return sql`l.key = ${link}.key and (l.row_index >= -1) and (not l.row_exists or (l.etag, l.size) is distinct from (${link}.etag, ${link}.size))`
  }
  const rows = await execute<{ at: number }>(
    em,
    sql`select o.at::int - 1 as at from unnest(
         ${objects.map(({ key }) => key)}::text[],
         ${objects.map(({ etag }) => etag)}::text[],
         ${objects.map(({ size }) => size)}::bigint[])
       with ordinality as o (key, etag, size, at)
     where o.etag is not null
       and not exists (select 1 from import_link l where l.storage_id = ${id} and l.row_index = -1 and ${differs('o')})
       and not exists (select 1 from import_link l where l.storage_id = ${id} and l.row_index <> -1 and ${differs('o')})`,
  )
  return rows.map(({ at }) => at)
}

// A listing can return times to the millisecond, and a HEAD to the second (S3: LastModified, Last-Modified).
/** SQL condition: two times of an object differ, at the lower precision of the two. */
export const timesDiffer = (
  a: RawBuilder<unknown>,
  b: RawBuilder<unknown>,
): RawBuilder<SqlBool> => sql`(${a} is distinct from ${b} and (
  ${a} is null or ${b} is null or date_trunc('second', ${a}) <> date_trunc('second', ${b})
  or (${a} <> date_trunc('second', ${a}) and ${b} <> date_trunc('second', ${b}))))`

/** SQL condition on the table or alias `name`: its key is one of `listed`. The keys are sent once, and each is looked up. */
const isListed = (name: string): RawBuilder<SqlBool> => sql`${sql.id(name)}.key = any(array(select key from listed))`

/** The same: its key is in the range. One scan of the index covers the range, and shows which linked keys were not listed. */
const inRange = ({ after, until }: NonNullable<Page['range']>, { prefix }: ListingScope) =>
  function isInRange(name: string): RawBuilder<SqlBool> {
    const key = sql`${sql.id(name)}.key`
    return sql`(${after}::text is null or ${key} > ${after}) and (${until}::text is null or ${key} <= ${until})
      and ${key} >= ${prefix} and starts_with(${key}, ${prefix})`
  }

interface Compared {
  objects: Page['objects']
  isCandidate: (name: string) => RawBuilder<SqlBool>
  watchesMissing: boolean
}

/** One row without a key means that nothing is linked, as in a first import. */
function differencesOf(
  { storage, run }: Omit<LinkOptions, 'scope'>,
  { objects, isCandidate, watchesMissing }: Compared,
) {
  const watchesChanges = storage.changedPolicy !== 'IGNORE'
  const column = <T>(of: (object: ObjectInfo) => T) => (watchesChanges ? objects.map(of) : null)
  return sql<Difference>`
with listed as (
  select * from unnest(
      ${objects.map(({ key }) => key)}::text[],
      ${column(({ size }) => size)}::bigint[],
      ${column(({ etag }) => etag)}::text[],
      ${column(({ lastModified }) => lastModified?.toISOString() ?? null)}::timestamptz[])
    with ordinality as l (key, size, etag, modified, at)),
known as materialized (
  select k.key, k.size, k.etag, k.last_modified, k.object_exists, true as complete, k.id > ${run.firstLink} as own
  from import_link k where k.storage_id = ${storage.id} and k.row_index = -1 and k.row_exists and ${isCandidate('k')}
  union all
  select o.key, o.size, o.etag, o.last_modified, o.object_exists, o.rows is not null, o.finished_by = ${run.id}
  from imported_object o where o.storage_id = ${storage.id} and ${isCandidate('o')})
select null::int as at, null as key, 'NEW' as state, false as restored where not exists (select 1 from known)
union all
select * from (
  select l.at::int - 1 as at, coalesce(l.key, k.key) as key,
    case when l.key is null then 'MISSING'
      when k.key is null then 'NEW'
      when not k.complete then 'PARTIAL'
      when ${watchesChanges} and (l.etag is distinct from k.etag or l.size is distinct from k.size
        or ${timesDiffer(sql`l.modified`, sql`k.last_modified`)}) then 'CHANGED'
      when k.own then 'IMPORTED_BY_THIS_RUN'
      else 'UNCHANGED' end as state,
    l.key is not null and not k.object_exists as restored
  from listed l full join known k on k.key = l.key
  where exists (select 1 from known)
    and (l.key is not null
      or (${watchesMissing} and (k.object_exists or ${storage.missingPolicy === 'DELETE_UNANNOTATED'})))) d
where state <> 'UNCHANGED' or restored`
}
