import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import { type ErrorCode, SluiceError } from '../errors.ts'
import { keyFault, printableKey } from '../providers/key-bytes.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import { sql } from '../sql.ts'
import type { ObjectFilter } from '../storages/object-filter.ts'
import type { NewIssue } from './page-write.ts'
import type { Page } from './pages.ts'

/** What is to be done about the objects of a page. */
export interface Sifted {
  /** Not imported yet, not to the end, or (UPDATE) no longer what they were. */
  fresh: ObjectInfo[]
  /** Those of them of which something is linked, or may be. */
  begun: Set<ObjectInfo>
  /** Imported, flagged as gone, and back. */
  back: string[]
  /** Imported, and not where the listing should have had them. */
  missing: string[]
  issues: NewIssue[]
  skipped: number
  existed: number
}

/** Which keys of a storage a listing gives: what is not among them cannot be missed. */
export interface ListingScope {
  prefix: string
  recursive: boolean
}

/** How the objects of a page are compared with what the storage has linked. */
export interface SiftOptions {
  storage: Pick<Storage, 'id' | 'changedPolicy' | 'missingPolicy'>
  run: Pick<SyncRun, 'id' | 'firstLink'>
  filter: ObjectFilter
  /** Why the storage does not read a key that it lists. */
  refusesKey?: Provider['refusesKey']
  scope: ListingScope
}

/** Leaves out what the filter does not take, what no link can hold, and, in one statement, what is linked already. */
export async function sift(
  em: EntityManager,
  { storage, run, filter, refusesKey, scope }: SiftOptions,
  page: Page,
): Promise<Sifted> {
  const issues: NewIssue[] = []
  const linkable: ObjectInfo[] = []
  /** Where those that are taken stand among the linkable. */
  const taken: number[] = []
  let matched = 0
  const rules = filter.all ? await filter.all(page.objects) : page.objects.map(filter)
  for (const [at, object] of page.objects.entries()) {
    const unlinked = keyFault(object.key)
    if (!unlinked) linkable.push(object)
    if (rules[at] !== null) continue
    matched++
    const fault = unlinked ?? object.fault ?? refusesKey?.(object.key)
    if (fault) issues.push(objectIssue(object.key, fault))
    else taken.push(linkable.length - 1)
  }
  const skipped = page.objects.length - matched
  const known = await compare(em, { storage, run, scope }, { ...page, objects: linkable })
  const fresh: ObjectInfo[] = []
  const begun = new Set<ObjectInfo>()
  let existed = 0
  for (const at of taken) {
    const state = known.allNew ? 'NEW' : known.at.get(at)
    const object = linkable[at]!
    if (state === undefined) existed++
    else if (state === 'CHANGED' && storage.changedPolicy === 'REPORT') {
      issues.push(objectIssue(object.key, 'OBJECT_CHANGED'))
    } else if (state !== 'OWN') {
      fresh.push(object)
      // Without an order, a key may come twice, in two pages that are under way at once.
      if (state !== 'NEW' || page.range === null) begun.add(object)
    }
  }
  const { back, missing } = known
  return { fresh, begun, back, missing, issues, skipped, existed }
}

/** An issue of a whole object or folder; of a code, in its words. */
export function objectIssue(key: string, fault: ErrorCode | SluiceError): NewIssue {
  const { code, message, retryable } = typeof fault === 'string' ? new SluiceError(fault) : fault
  return { key: printableKey(key), rowGroup: -1, row: -1, code, message, retryable }
}

/**
 * NEW: nothing of the object is linked. BEGUN: not all of it. CHANGED: another version is. OWN: this run has linked it, and
 * counted it, in a page that it is at again. SAME: it was imported before.
 */
type State = 'NEW' | 'BEGUN' | 'CHANGED' | 'OWN' | 'SAME'

interface Known {
  /** By position; what is not here is the SAME. */
  at: Map<number, State>
  allNew: boolean
  back: string[]
  missing: string[]
}

interface Difference {
  at: number | null
  key: string
  state: State | 'MISSING'
  back: boolean
}

async function compare(
  em: EntityManager,
  { storage, run, scope }: Pick<SiftOptions, 'storage' | 'run' | 'scope'>,
  { objects, range }: Page,
): Promise<Known> {
  const watchesChanges = storage.changedPolicy !== 'IGNORE'
  const watchesMissing = range !== null && storage.missingPolicy !== 'KEEP'
  if (objects.length === 0 && !watchesMissing) return { at: new Map(), allNew: false, back: [], missing: [] }
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
  if (only?.key === null) return { at: new Map(), allNew: true, back: [], missing: [] }
  return {
    at: new Map(
      differences.flatMap(({ at, state }) =>
        at === null || state === 'MISSING' || state === 'SAME' ? [] : [[at, state]],
      ),
    ),
    allNew: false,
    back: differences.flatMap(({ back, key }) => (back ? [key] : [])),
    missing: differences.flatMap(({ state, key }) => (state === 'MISSING' && inScope(key, scope) ? [key] : [])),
  }
}

function inScope(key: string, { prefix, recursive }: ListingScope): boolean {
  return recursive || !key.slice(prefix.length).includes('/')
}

// A range of keys is one walk over the index, and shows what is linked but not listed; without an order of the listing every
// key is looked up by itself. One row without a key says that nothing is known at all, as in a first import.
const differencesOf = (where: (table: string) => string) => `
with known as materialized (
  select k.key, k.size, k.etag, k.last_modified, k.object_exists, true as complete, k.id > $10 as own
  from import_link k where k.storage_id = $1 and k.row_index = -1 and k.row_exists and ${where('k')}
  union all
  select o.key, o.size, o.etag, o.last_modified, o.object_exists, o.rows is not null, o.finished_by = $9
  from imported_object o where o.storage_id = $1 and ${where('o')})
select null::int as at, null as key, 'NEW' as state, false as back where not exists (select 1 from known)
union all
select * from (
  select l.at::int - 1 as at, coalesce(l.key, k.key) as key,
    case when l.key is null then 'MISSING'
      when k.key is null then 'NEW'
      when not k.complete then 'BEGUN'
      when $6 and (l.etag is distinct from k.etag or l.size is distinct from k.size
        or l.modified is distinct from k.last_modified) then 'CHANGED'
      when k.own then 'OWN'
      else 'SAME' end as state,
    l.key is not null and not k.object_exists as back
  from unnest($2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) with ordinality as l (key, size, etag, modified, at)
  full join known k on k.key = l.key
  where exists (select 1 from known) and (l.key is not null or ($7 and (k.object_exists or $8)))) d
where state <> 'SAME' or back`

const inRange = differencesOf(
  (t) => `($11::text is null or ${t}.key > $11) and ($12::text is null or ${t}.key <= $12)
    and ${t}.key >= $13 and starts_with(${t}.key, $13)`,
)

const byKeys = differencesOf((t) => `${t}.key = any($2)`)
