import type { EntityManager } from '@mikro-orm/postgresql'
import type { Connect } from '../connect.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { type ErrorCode, SluiceError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'

// Between two lookups of the secrets. A refused call looks them up at once.
const lookupMs = 1_000
/** How a storage answers to secrets that were replaced. */
const refusals: ErrorCode[] = ['BAD_CREDENTIALS', 'DENIED']

/**
 * Opens the provider of a run's storage. If the secrets are replaced during the run, it uses the new ones for calls that begin
 * later than a second after that, and repeats a refused call with them. It never follows the storage to another version, such as
 * another bucket. The caller must call `close` once. @throws as `Connect`
 */
export async function connectRun(
  { em, connect }: { em: EntityManager; connect: Connect },
  storage: Storage,
): Promise<Provider> {
  let provider = await connect(storage, 'RUNS')
  let current = storage
  const opened = [provider]
  let lookedUpAt = performance.now()
  let lookup: Promise<void> | undefined

  const followSecrets = async (): Promise<void> => {
    const stored = await em.fork().findOne(StorageEntity, storage.id)
    lookedUpAt = performance.now()
    if (!stored || stored.version !== storage.version || stored.secrets === current.secrets) return
    provider = await connect(stored, 'RUNS')
    current = stored
    opened.push(provider)
  }
  const refresh = () => {
    lookup ??= followSecrets().finally(() => {
      lookup = undefined
    })
    return lookup
  }
  const call = async <T>(work: (provider: Provider) => Promise<T>): Promise<T> => {
    if (performance.now() - lookedUpAt > lookupMs) await refresh()
    const used = provider
    try {
      return await work(used)
    } catch (error) {
      if (!(error instanceof SluiceError && refusals.includes(error.code))) throw error
      if (used === provider) await refresh()
      if (used === provider) throw error
      return work(provider)
    }
  }
  return {
    ...provider,
    check: (signal) => call((now) => now.check(signal)),
    list: (options) => call((now) => now.list(options)),
    head: (key, signal) => call((now) => now.head(key, signal)),
    read: (key, options) => call((now) => now.read(key, options)),
    write: (key, body, options) => call((now) => now.write(key, body, options)),
    remove: (key, signal) => call((now) => now.remove(key, signal)),
    // Bodies that are still read use the first client, so all are closed at the end.
    close: () => {
      for (const one of opened) one.close()
    },
  }
}
