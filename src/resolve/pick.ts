import type { Storage } from '../entities/storage.ts'
import { providers } from '../providers/registry.ts'
import { parseUri } from '../providers/uri.ts'

/** A storage that may serve a URI, and the key of the object in it. */
export interface PickedObject {
  storage: Storage
  key: string
}

/** Why a storage serves a URI or does not. */
export const verdicts = {
  CHOSEN: 'The storage serves the URI.',
  OTHER_SCHEME: 'The URI has the scheme of another kind of storage, or is invalid.',
  OTHER_BUCKET: 'The URI names another bucket.',
  OUTSIDE_PREFIX: 'The key does not start with the prefix of the storage.',
  OTHER_ENDPOINT: 'The task was imported from a bucket with the same name at another endpoint.',
  SHORTER_PREFIX: 'Another storage has a longer prefix, which takes precedence.',
  NOT_LINKED: 'The storage that the task was imported from takes precedence.',
  YOUNGER: 'A storage that was created earlier takes precedence.',
  NOT_MAPPED: 'A URL mapping of the project leads to another storage.',
  NO_KEY: 'The text after the mapped prefix is no key: it is empty, not UTF-8, or has a "." or ".." segment.',
} as const
export type Verdict = keyof typeof verdicts

/** All storages with the reason for each; the chosen storage, if any, is first. */
export function rankStorages(
  uri: string,
  storages: readonly Storage[],
  linkedStorage?: number,
): { storage: Storage; verdict: Verdict }[] {
  const parsed = parseUri(uri)
  const ranked = storages.map((storage) => {
    const { scheme, endpoint, bucket, prefix } = locationOf(storage)
    const verdict: Verdict | undefined =
      scheme !== parsed?.scheme
        ? 'OTHER_SCHEME'
        : bucket !== parsed.bucket
          ? 'OTHER_BUCKET'
          : parsed.key.startsWith(prefix)
            ? undefined
            : 'OUTSIDE_PREFIX'
    return { storage, endpoint, prefix, verdict }
  })
  const serving = ranked.filter(({ verdict }) => verdict === undefined)
  // A URI names no endpoint; the object that the task was imported from has one.
  const linked = serving.find(({ storage }) => storage.id === linkedStorage)
  const near = linked ? serving.filter(({ endpoint }) => endpoint === linked.endpoint) : serving
  const [best, ...others] = near.sort(
    (a, b) =>
      b.prefix.length - a.prefix.length ||
      Number(b.storage === linked?.storage) - Number(a.storage === linked?.storage) ||
      a.storage.id - b.storage.id,
  )
  const reasonOf = (prefix: string): Verdict =>
    prefix.length < best!.prefix.length ? 'SHORTER_PREFIX' : best === linked ? 'NOT_LINKED' : 'YOUNGER'
  return [
    ...(best ? [{ storage: best.storage, verdict: 'CHOSEN' as const }] : []),
    ...others.map(({ storage, prefix }) => ({ storage, verdict: reasonOf(prefix) })),
    ...ranked.flatMap((one) => {
      const verdict = one.verdict ?? (near.includes(one) ? undefined : 'OTHER_ENDPOINT')
      return verdict ? [{ storage: one.storage, verdict: verdict as Verdict }] : []
    }),
  ]
}

/**
 * The import storage that serves a URI: it has the scheme and bucket of the URI, its prefix contains the key, and its endpoint is that
 * of the storage that the task is linked to, if that one may serve the URI. Of several, the longest prefix wins, then the linked
 * storage, then the oldest. Null if no storage qualifies: a key outside all prefixes is never served.
 */
export function pickStorage(uri: string, storages: readonly Storage[], linkedStorage?: number): PickedObject | null {
  const [first] = rankStorages(uri, storages, linkedStorage)
  return first?.verdict === 'CHOSEN' ? { storage: first.storage, key: parseUri(uri)!.key } : null
}

interface StorageLocation {
  scheme: string
  endpoint: string
  bucket: string
  prefix: string
}

// A changed location is a new object.
const locations = new WeakMap<object, StorageLocation>()

/** Scheme, bucket and endpoint of a storage. */
export function locationOf({ provider, location }: Storage): StorageLocation {
  const known = locations.get(location)
  if (known) return known
  const kind = providers[provider]
  const { endpoint, ...rest } = kind.place(location)
  const place = {
    ...{ scheme: kind.uriScheme, ...rest },
    endpoint: URL.canParse(endpoint) ? new URL(endpoint).href : endpoint,
  }
  locations.set(location, place)
  return place
}
