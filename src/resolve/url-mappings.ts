import type { Storage } from '../entities/storage.ts'
import { hasDotSegments } from '../providers/kit/dot-segments.ts'
import { locationOf, type PickedObject, pickStorage, rankStorages, type Verdict } from './pick.ts'

/** What `pickObject` needs to map a URI or URL to an object. */
export interface ResolveScope {
  /** The import storages of the project: no mapping leads to another storage. */
  storages: readonly Storage[]
  mappings: readonly Mapping[]
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
 * The object for a storage URI or for a URL that a mapping of the project covers. Null if no connected storage has such an
 * object. A mapped URL is never tried with another mapping or storage than that of its longest prefix.
 */
export function pickObject(url: string, { storages, mappings, linkedStorage }: ResolveScope): PickedObject | null {
  const mapping = mappingOf(url, mappings)
  if (!mapping) return pickStorage(url, storages, linkedStorage)
  const storage = storages.find(({ id }) => id === mapping.storage)
  if (!storage) return null
  const { prefix } = locationOf(storage)
  const rest = mappedText(url.slice(mapping.prefix.length), mapping.prefix.includes('?'))
  const key = rest === undefined ? undefined : (mapping.keyPrefix ?? prefix) + rest
  return key?.startsWith(prefix) && key.length > prefix.length ? { storage, key } : null
}

/** All storages with the reason for each; the chosen storage, if any, is first. */
export function explainObject(url: string, scope: ResolveScope): { storage: Storage; verdict: Verdict }[] {
  const { storages, mappings, linkedStorage } = scope
  const mapping = mappingOf(url, mappings)
  if (!mapping) return rankStorages(url, storages, linkedStorage)
  const rest = mappedText(url.slice(mapping.prefix.length), mapping.prefix.includes('?'))
  const own: Verdict = pickObject(url, scope) ? 'CHOSEN' : rest === undefined ? 'NO_KEY' : 'OUTSIDE_PREFIX'
  const [mapped, others] = [true, false].map((isMapped) =>
    storages.filter(({ id }) => (id === mapping.storage) === isMapped),
  )
  return [
    ...mapped!.map((storage) => ({ storage, verdict: own })),
    ...others!.map((storage) => ({ storage, verdict: 'NOT_MAPPED' as const })),
  ]
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The text after a mapped prefix, as the server of that URL reads it (WHATWG URL standard): in a query the value of one parameter
 * (application/x-www-form-urlencoded), elsewhere a part of the path, percent-decoded once. A `%` without two hexadecimal digits is
 * not decoded. Undefined if the text is empty, is not UTF-8, or has a NUL, or a `.` or `..` segment that could leave the prefix.
 */
function mappedText(rest: string, isQuery: boolean): string | undefined {
  const end = rest.search(isQuery ? /[&#]/ : /[?#]/)
  const encoded = end < 0 ? rest : rest.slice(0, end)
  let text: string
  try {
    text = (isQuery ? encoded.replaceAll('+', ' ') : encoded).replace(/(?:%[0-9a-f]{2})+/gi, (bytes) =>
      decoder.decode(Buffer.from(bytes.replaceAll('%', ''), 'hex')),
    )
  } catch {
    return undefined
  }
  // Label Studio removes slashes at the start of the parameter.
  if (isQuery) text = text.replace(/^\/+/, '')
  return text === '' || text.includes('\0') || !text.isWellFormed() || hasDotSegments(text) ? undefined : text
}
