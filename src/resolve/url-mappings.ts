import type { Storage } from '../entities/storage.ts'
import { locationOf, type PickedObject, pickStorage, type Ranked, rankStorages, type Verdict } from './pick.ts'
import { decodeUrlPart } from './url-key.ts'

/** What `pickObject` needs to find the object of a URI or URL. */
export interface ResolveScope {
  /** The import storages of the project: no mapping leads to another storage. */
  storages: readonly Storage[]
  mappings: readonly Mapping[]
  /** Whether http(s) addresses of the storages' buckets are resolved, see `Project.resolveHttpsUrls`. Default: false. */
  httpsUrls?: boolean | undefined
  /** The storage that the task was imported from. */
  linkedStorage?: number | undefined
}

/** A mapping of the project. */
export interface Mapping {
  prefix: string
  storage: number
  keyPrefix?: string | null
}

/** The mapping with the longest matching prefix. */
function mappingOf(url: string, mappings: readonly Mapping[]): Mapping | undefined {
  let best: Mapping | undefined
  for (const mapping of mappings) {
    if (url.startsWith(mapping.prefix) && mapping.prefix.length > (best?.prefix.length ?? 0)) best = mapping
  }
  return best
}

/**
 * The object for a storage URI, for a URL that a mapping of the project covers, or for an http(s) address of a bucket. Null if no
 * connected storage has such an object. A mapped URL is never tried with another mapping or storage than that of its longest
 * prefix.
 */
export function pickObject(url: string, scope: ResolveScope): PickedObject | null {
  const { storages, mappings, linkedStorage, httpsUrls } = scope
  const mapping = mappingOf(url, mappings)
  if (!mapping) return pickStorage(url, storages, linkedStorage, httpsUrls)
  const storage = storages.find(({ id }) => id === mapping.storage)
  if (!storage) return null
  const { prefix } = locationOf(storage)
  const rest = decodeUrlPart(url.slice(mapping.prefix.length), mapping.prefix.includes('?'))
  const key = rest === undefined ? undefined : (mapping.keyPrefix ?? prefix) + rest
  return key?.startsWith(prefix) && key.length > prefix.length ? { storage, key } : null
}

/** All storages with the reason for each; the chosen storage, if any, is first. */
export function explainObject(url: string, scope: ResolveScope): Ranked[] {
  const { storages, mappings, linkedStorage, httpsUrls } = scope
  const mapping = mappingOf(url, mappings)
  if (!mapping) return rankStorages(url, storages, linkedStorage, httpsUrls)
  const rest = decodeUrlPart(url.slice(mapping.prefix.length), mapping.prefix.includes('?'))
  const own: Verdict = pickObject(url, scope) ? 'CHOSEN' : rest === undefined ? 'NO_KEY' : 'OUTSIDE_PREFIX'
  const [mapped, others] = [true, false].map((isMapped) =>
    storages.filter(({ id }) => (id === mapping.storage) === isMapped),
  )
  return [
    ...mapped!.map((storage) => ({ storage, verdict: own })),
    ...others!.map((storage) => ({ storage, verdict: 'NOT_MAPPED' as const })),
  ]
}
