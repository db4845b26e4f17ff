import type { Storage } from './entities/storage.ts'
import { SluiceError } from './errors.ts'
import type { Provider, ProviderEnvironment } from './providers/provider.ts'
import { type ProviderName, providers } from './providers/registry.ts'
import type { Sealer } from './security/seal.ts'

/** What of a storage's row is needed to reach its place. */
export type Connectable = Pick<Storage, 'provider' | 'location' | 'secrets' | 'project'>

/** Opens the place behind a storage row: secrets unsealed, location read, provider opened. The caller closes it. */
export type Connect = (storage: Connectable) => Promise<Provider>

/** The one way from a row to a provider; sync, resolve and storages share it. */
export function createConnect(sealer: Sealer, environment: ProviderEnvironment): Connect {
  return async (storage) => {
    const kind = providers[storage.provider as ProviderName]
    const secrets = unsealSecrets(sealer, storage)
    return kind.open(kind.location.parse(storage.location), kind.secrets.parse(secrets), environment)
  }
}

/** The secrets of a storage as an object of strings; bound to their project, so that a row copied elsewhere stays shut. */
export function unsealSecrets(
  sealer: Sealer,
  { secrets, project }: Pick<Storage, 'secrets' | 'project'>,
): Record<string, string> {
  if (secrets === null || secrets === undefined) return {}
  try {
    return JSON.parse(sealer.unseal(secrets, `project:${project}`))
  } catch (cause) {
    const words = 'The stored credentials cannot be read: SECRET_KEY has changed. Enter them again.'
    throw new SluiceError('BAD_CREDENTIALS', words, { cause })
  }
}

/** Seals an object of secrets for the row; null when there is none. */
export function sealSecrets(sealer: Sealer, secrets: Record<string, unknown>, project: number): string | null {
  return Object.keys(secrets).length === 0 ? null : sealer.seal(JSON.stringify(secrets), `project:${project}`)
}
