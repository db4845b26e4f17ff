import type { EntityManager } from '@mikro-orm/postgresql'
import type { Storage } from '../entities/storage.ts'
import { SluiceError } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import { sql } from '../sql.ts'
import type { ObjectFilter } from './object-filter.ts'
import type { Page } from './pages.ts'
import type { NewIssue } from './write-page.ts'

// A B-tree entry of PostgreSQL has at most 2,704 bytes, and the link's index holds more than the key.
const maxKeyBytes = 2_600

/** What is to be done about the objects of a page. */
export interface Sifted {
  /** Not imported yet, not to the end, or (UPDATE) no longer what they were. */
  fresh: ObjectInfo[]
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
  filter: ObjectFilter
  scope: ListingScope
}

/** Leaves out what the filter does not take, what no link can hold, and, in one statement, what is linked already. */
export async function sift(em: EntityManager, { storage, filter, scope }: SiftOptions, page: Page): Promise<Sifted> {
  const issues: NewIssue[] = []
  const taken: ObjectInfo[] = []
  const linkable: ObjectInfo[] = []
  let matched = 0
  for (const object of page.objects) {
    const fault = unlinkable(object.key)
    if (!fault) linkable.push(object)
    if (filter(object) !== null) continue
    matched++
    if (fault) issues.push(objectIssue(object.key.toWellFormed().replaceAll('\0', '\ufffd'), fault))
    else taken.push(object)
  }
  const skipped = page.objects.length - matched
  const known = await compare(em, { storage, scope }, { ...page, objects: linkable })
  if (known.at.size === 0 && known.missing.length === 0 && !known.allFresh) {
    return { fresh: [], back: [], missing: [], issues, skipped, existed: taken.length }
  }
  const stateOf = new Map(linkable.map((object, at) => [object, known.at.get(at)]))
  const fresh: ObjectInfo[] = []
  const reported: ObjectInfo[] = []
  for (const object of taken) {
    const state = known.allFresh ? 'FRESH' : stateOf.get(object)
    if (state === 'CHANGED' && storage.changedPolicy === 'REPORT') reported.push(object)
    else if (state !== undefined) fresh.push(object)
  }
  issues.push(...reported.map(({ key }) => objectIssue(key, 'OBJECT_CHANGED')))
  const existed = taken.length - fresh.length - reported.length
  return { fresh, back: known.back, missing: known.missing, issues, skipped, existed }
}

/** An issue of a whole object, in the words of the code. */
function objectIssue(key: string, fault: 'KEY_NOT_TEXT' | 'KEY_TOO_LONG' | 'OBJECT_CHANGED'): NewIssue {
  const { code, message, retryable } = new SluiceError(fault)
  return { key, rowGroup: -1, row: -1, code, message, retryable }
}

/** Why no link can hold the key; undefined when one can. */
function unlinkable(key: string): 'KEY_NOT_TEXT' | 'KEY_TOO_LONG' | undefined {
  if (!key.isWellFormed() || key.includes('\0')) return 'KEY_NOT_TEXT'
  return key.length * 3 > maxKeyBytes && Buffer.byteLength(key) > maxKeyBytes ? 'KEY_TOO_LONG' : undefined
}

interface Known {
  /** By position: what is FRESH or CHANGED; what is neither is known and as it was. */
  at: Map<number, 'FRESH' | 'CHANGED'>
  allFresh: boolean
  back: string[]
  missing: string[]
}

interface Difference {
  at: number | null
  key: string
  state: 'FRESH' | 'CHANGED' | 'SAME' | 'MISSING'
  back: boolean
}

async function compare(
  em: EntityManager,
  { storage, scope }: Pick<SiftOptions, 'storage' | 'scope'>,
  { objects, range }: Page,
): Promise<Known> {
  const watchesChanges = storage.changedPolicy !== 'IGNORE'
  const watchesMissing = range !== null && storage.missingPolicy !== 'KEEP'
  if (objects.length === 0 && !watchesMissing) return { at: new Map(), allFresh: false, back: [], missing: [] }
  const differences = await sql<Difference>(em, range ? inRange : byKeys, [
    storage.id,
    objects.map(({ key }) => key),
    watchesChanges ? objects.map(({ size }) => size) : null,
    watchesChanges ? objects.map(({ etag }) => etag) : null,
    watchesChanges ? objects.map(({ lastModified }) => lastModified?.toISOString() ?? null) : null,
    watchesChanges,
    watchesMissing,
    storage.missingPolicy === 'DELETE_UNANNOTATED',
    ...(range ? [range.after, range.until, scope.prefix] : []),
  ])
  const found = differences.filter(({ state, at }) => state === 'FRESH' && at !== null)
  return {
    at: new Map(
      differences.flatMap(({ at, state }) =>
        at !== null && (state === 'FRESH' || state === 'CHANGED') ? [[at, state]] : [],
      ),
    ),
    allFresh: found.length === objects.length && objects.length > 0,
    back: differences.flatMap(({ back, key }) => (back ? [key] : [])),
    missing: differences.flatMap(({ state, key }) => (state === 'MISSING' && inScope(key, scope) ? [key] : [])),
  }
}

function inScope(key: string, { prefix, recursive }: ListingScope): boolean {
  return recursive || !key.slice(prefix.length).includes('/')
}

// A range of keys is one walk over the index, and shows what is linked but not listed; without an order of the listing every
// key is looked up by itself.
const differencesOf = (where: (table: string) => string) => `
with listed as materialized (
  select l.key, l.size, l.etag, l.modified, l.at - 1 as at
  from unnest($2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) with ordinality as l (key, size, etag, modified, at)),
known as materialized (
  select k.key, k.size, k.etag, k.last_modified, k.object_exists, true as complete
  from import_link k where k.storage_id = $1 and k.row_index = -1 and ${where('k')}
  union all
  select o.key, o.size, o.etag, o.last_modified, o.object_exists, o.rows is not null
  from imported_object o where o.storage_id = $1 and ${where('o')})
select * from (
  select l.at::int as at, coalesce(l.key, k.key) as key,
    case when l.key is null then 'MISSING'
      when k.key is null or not k.complete then 'FRESH'
      when $6 and (l.etag is distinct from k.etag or l.size is distinct from k.size
        or l.modified is distinct from k.last_modified) then 'CHANGED'
      else 'SAME' end as state,
    l.key is not null and not k.object_exists as back
  from listed l full join known k on k.key = l.key
  where l.key is not null or ($7 and (k.object_exists or $8))) d
where state <> 'SAME' or back`

const inRange = differencesOf(
  (t) => `($9::text is null or ${t}.key > $9) and ($10::text is null or ${t}.key <= $10)
    and ${t}.key >= $11 and starts_with(${t}.key, $11)`,
)

const byKeys = differencesOf((t) => `${t}.key = any($2)`)
