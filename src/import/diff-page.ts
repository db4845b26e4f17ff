import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { type ErrorCode, SluiceError } from '../errors.ts'
import { keyFault, printableKey } from '../providers/key-bytes.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { sql } from '../sql.ts'
import type { ObjectFilter } from '../storages/object-filter.ts'
import type { NewIssue } from './page-write.ts'
import type { Page } from './source.ts'

/** How the objects of one listing page differ from what the storage has imported. */
export interface PageDiff {
  /** Objects to import: new, partly imported, or (`changedPolicy: UPDATE`) changed. */
  toImport: ObjectInfo[]
  /** Members of `toImport` that may already have links, so the writer must check each row. */
  partlyImported: Set<ObjectInfo>
  /** Keys that were flagged as missing and are listed again. */
  restored: string[]
  /** Imported keys that belong into this page but were not listed. */
  missing: string[]
  issues: NewIssue[]
  /** Number of objects that the filter excluded. */
  skipped: number
  /** Number of objects that are imported and unchanged. */
  existed: number
}

/** The keys that a listing returns. Other keys cannot be missing from it. */
export interface ListingScope {
  prefix: string
  recursive: boolean
}

/** What a page is compared with. */
export interface DiffOptions {
  storage: Pick<Storage, 'id' | 'changedPolicy' | 'missingPolicy'>
  run: Pick<SyncRun, 'id' | 'firstLink'>
  filter: ObjectFilter
  /** The reason why the storage cannot read a key that it lists, if there is one. */
  refusesKey?: Provider['refusesKey']
  scope: ListingScope
  /** Whether linked keys without an object are missing objects. Otherwise each is an issue. */
  flagsAbsent?: boolean
}

/** Compares a page with the links of the storage, in one statement. Writes nothing. */
export async function diffPage(
  em: EntityManager,
  { storage, run, filter, refusesKey, scope, flagsAbsent = false }: DiffOptions,
  page: Page,
): Promise<PageDiff> {
  const issues: NewIssue[] = []
  // Excluded objects are compared, too: they exist in the bucket, so their keys are not missing.
  const linkable: ObjectInfo[] = []
  /** Positions in `linkable` of the objects that the filter accepts. */
  const accepted: number[] = []
  let matched = 0
  const rules = filter.all ? await filter.all(page.objects) : page.objects.map(filter)
  for (const [at, object] of page.objects.entries()) {
    const unlinkable = keyFault(object.key)
    if (!unlinkable) linkable.push(object)
    if (rules[at] !== null) continue
    matched++
    const error = unlinkable ?? object.fault ?? refusesKey?.(object.key)
    if (error) issues.push(objectIssue(object.key, error))
    else accepted.push(linkable.length - 1)
  }
  let skipped = page.objects.length - matched + (page.outside ?? 0)
  const states = await readLinkStates(em, { storage, run, scope }, { ...page, objects: linkable })
  const toImport: ObjectInfo[] = []
  const partlyImported = new Set<ObjectInfo>()
  let existed = 0
  for (const at of accepted) {
    const state = states.allNew ? 'NEW' : states.at.get(at)
    const object = linkable[at]!
    if (state === undefined) existed++
    else if (state === 'CHANGED' && storage.changedPolicy === 'REPORT') {
      issues.push(objectIssue(object.key, 'OBJECT_CHANGED'))
    } else if (state !== 'IMPORTED_BY_THIS_RUN') {
      toImport.push(object)
      // An unordered listing can return a key twice, in two pages that are processed at the same time.
      if (state !== 'NEW' || page.range === null) partlyImported.add(object)
    }
  }
  const { restored, missing } = states
  if (page.absent?.length) {
    const linked = flagsAbsent ? await readLinked(em, storage, page.absent) : new Map<string, boolean>()
    for (const key of page.absent) {
      if (linked.get(key)) missing.push(key)
      else if (linked.has(key)) continue
      // No object, no size: only rules about the name can exclude it.
      else if (filter({ key, size: Number.NaN, lastModified: null }) !== null) skipped++
      else issues.push(objectIssue(key, keyFault(key) ?? 'OBJECT_MISSING'))
    }
  }
  return { toImport, partlyImported, restored, missing, issues, skipped, existed }
}

/** An issue of a whole object or folder. A code gets its standard message. */
export function objectIssue(key: string, error: ErrorCode | SluiceError): NewIssue {
  const { code, message, retryable } = typeof error === 'string' ? new SluiceError(error) : error
  return { key: printableKey(key), rowGroup: -1, row: -1, code, message, retryable }
}

type LinkState =
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

async function readLinkStates(
  em: EntityManager,
  { storage, run, scope }: Pick<DiffOptions, 'storage' | 'run' | 'scope'>,
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
async function readLinked(
  em: EntityManager,
  { id, missingPolicy }: DiffOptions['storage'],
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
