import type { Storage } from '../entities/storage.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import { parseUri } from '../providers/uri.ts'

/** A storage that may serve a URI, and the key under which it has the object. */
export interface Pick {
  storage: Storage
  key: string
}

/**
 * The import storage that serves a URI: same scheme and bucket, key inside the prefix; among several the longest prefix,
 * then the one that the task is linked to, then the oldest. Null when none does: a key outside every connected prefix is
 * never served.
 */
export function pickStorage(uri: string, storages: readonly Storage[], linkedStorage?: number): Pick | null {
  const parsed = parseUri(uri)
  if (!parsed) return null
  const candidates = storages.flatMap((storage) => {
    const kind = providers[storage.provider as ProviderName]
    const { bucket, prefix } = kind.place(storage.location)
    const serves = kind.uriScheme === parsed.scheme && bucket === parsed.bucket && parsed.key.startsWith(prefix)
    return serves ? [{ storage, prefix }] : []
  })
  const [best] = candidates.sort(
    (a, b) =>
      b.prefix.length - a.prefix.length ||
      Number(b.storage.id === linkedStorage) - Number(a.storage.id === linkedStorage) ||
      a.storage.id - b.storage.id,
  )
  return best ? { storage: best.storage, key: parsed.key } : null
}
