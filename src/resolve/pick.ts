import type { Storage } from '../entities/storage.ts'
import { providers } from '../providers/registry.ts'
import { formatUri, parseUri } from '../providers/uri.ts'
import { parseWebAddress } from '../providers/web-address.ts'
import { schemes } from './grammar.ts'
import { decodeUrlPart } from './url-key.ts'

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
  NO_KEY: 'The part of the URL that names the key is no key: it is empty, not UTF-8, or has a "." or ".." segment.',
  HTTPS_URLS_OFF: 'The URL is an address of this bucket, but resolveHttpsUrls of the project is off.',
} as const
export type Verdict = keyof typeof verdicts

/** A storage with the reason why it serves a URI or does not, and the key if it serves it. */
export interface Ranked {
  storage: Storage
  verdict: Verdict
  key?: string
}

/**
 * Returns a function that finds the key that a URI names in a storage, or the reason why it names none. The scheme may be an alias
 * (`s3a`), and an http(s) address counts if `httpsUrls` is set.
 */
function keyFinder(uri: string, httpsUrls: boolean): (storage: Storage) => { key: string } | { verdict: Verdict } {
  const parsed = parseUri(uri)
  const isWeb = parsed?.scheme === 'https' || parsed?.scheme === 'http'
  const address = isWeb ? parseWebAddress(uri) : undefined
  const scheme = schemes.get(parsed?.scheme ?? '')
  return (storage) => {
    if (isWeb) {
      const kind = providers[storage.provider]
      const encoded = address && kind.addresses?.encodedKeyIn(storage.location, address)
      if (encoded === undefined) return { verdict: httpsUrls && kind.addresses ? 'OTHER_BUCKET' : 'OTHER_SCHEME' }
      if (!httpsUrls) return { verdict: 'HTTPS_URLS_OFF' }
      const key = decodeUrlPart(encoded)
      return key === undefined ? { verdict: 'NO_KEY' } : { key }
    }
    const place = locationOf(storage)
    if (!parsed || scheme !== place.scheme) return { verdict: 'OTHER_SCHEME' }
    return parsed.bucket === place.bucket ? { key: parsed.key } : { verdict: 'OTHER_BUCKET' }
  }
}

/** All storages with the reason for each; the chosen storage, if any, is first. */
export function rankStorages(
  uri: string,
  storages: readonly Storage[],
  linkedStorage?: number,
  httpsUrls = false,
): Ranked[] {
  const find = keyFinder(uri, httpsUrls)
  const ranked = storages.map((storage) => {
    const { endpoint, prefix } = locationOf(storage)
    const found = find(storage)
    if ('verdict' in found) return { storage, endpoint, prefix, verdict: found.verdict }
    const { key } = found
    const verdict: Verdict | undefined = key.startsWith(prefix) ? undefined : 'OUTSIDE_PREFIX'
    return { storage, endpoint, prefix, verdict, key }
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
    ...(best ? [{ storage: best.storage, verdict: 'CHOSEN' as const, key: best.key! }] : []),
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
export function pickStorage(
  uri: string,
  storages: readonly Storage[],
  linkedStorage?: number,
  httpsUrls?: boolean,
): PickedObject | null {
  const [first] = rankStorages(uri, storages, linkedStorage, httpsUrls)
  return first?.verdict === 'CHOSEN' ? { storage: first.storage, key: first.key! } : null
}

/**
 * The object with this key in the bucket of a storage, by the rules for a task that was imported from that storage: a storage with a
 * longer prefix takes precedence. Null if the storage is not connected, or the key is outside its prefix.
 */
export function pickFile(
  { storage: id, key }: { storage: number; key: string },
  storages: readonly Storage[],
): PickedObject | null {
  const storage = storages.find((one) => one.id === id)
  if (!storage || !key.startsWith(locationOf(storage).prefix)) return null
  return pickStorage(uriIn(storage, key), storages, id)
}

/** The URI of an object in a storage. */
export function uriIn(storage: Storage, key: string): string {
  const { scheme, bucket } = locationOf(storage)
  return formatUri({ scheme, bucket, key })
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
