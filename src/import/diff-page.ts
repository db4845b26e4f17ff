import type { EntityManager } from '@mikro-orm/postgresql'
import { type ErrorCode, SluiceError } from '../errors.ts'
import { keyFault, printableKey } from '../providers/key-bytes.ts'
import type { ObjectInfo, Provider } from '../providers/provider.ts'
import type { ObjectFilter } from '../storages/object-filter.ts'
import type { ReadState } from './batch.ts'
import { type LinkOptions, readLinked, readLinkStates, readUnfinished } from './link-states.ts'
import type { NewIssue } from './page-write.ts'
import type { Page } from './source.ts'

/** How the objects of one listing page differ from what the storage has imported. */
export interface PageDiff {
  /** Objects to import: new, partly imported, or (`changedPolicy: UPDATE`) changed. */
  toImport: ObjectInfo[]
  /** The members of `toImport` that are not NEW. */
  states: Map<ObjectInfo, ReadState>
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

/** What a page is compared with. */
export interface DiffOptions extends LinkOptions {
  filter: ObjectFilter
  /** The reason why the storage cannot read a key that it lists, if there is one. */
  refusesKey?: Provider['refusesKey']
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
  const readStates = new Map<ObjectInfo, ReadState>()
  const partial: ObjectInfo[] = []
  let existed = 0
  for (const at of accepted) {
    const state = states.allNew ? 'NEW' : states.at.get(at)
    const object = linkable[at]!
    if (state === undefined) existed++
    else if (state === 'CHANGED' && storage.changedPolicy === 'REPORT') {
      issues.push(objectIssue(object.key, 'OBJECT_CHANGED'))
    } else if (state !== 'IMPORTED_BY_THIS_RUN') {
      toImport.push(object)
      if (state === 'PARTIAL') partial.push(object)
      // An unordered listing can return a key twice, in two pages that are processed at the same time.
      if (state !== 'NEW' || page.range === null) readStates.set(object, 'UNFINISHED')
      if (state !== 'NEW' || storage.rowKey !== null) readStates.set(object, 'CHANGED')
    }
  }
  if (storage.importMethod === 'FILES') for (const object of readStates.keys()) readStates.set(object, 'UNFINISHED')
  else if (storage.rowKey === null && partial.length > 0) {
    for (const at of await readUnfinished(em, storage, partial)) readStates.set(partial[at]!, 'UNFINISHED')
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
  return { toImport, states: readStates, restored, missing, issues, skipped, existed }
}

/** An issue of a whole object or folder. A code gets its standard message. */
export function objectIssue(key: string, error: ErrorCode | SluiceError): NewIssue {
  const { code, message, retryable } = typeof error === 'string' ? new SluiceError(error) : error
  return { key: printableKey(key), rowGroup: -1, row: -1, code, message, retryable }
}
