import { isDeepStrictEqual } from 'node:util'
import { type Clocks, machineClocks, watchClock } from './clock-step.ts'
import type { Storage } from './entities/storage.ts'
import { SluiceError } from './errors.ts'
import { type AmbientCredentials, createAmbientCredentials } from './providers/ambient.ts'
import { guardProvider } from './providers/kit/guard.ts'
import { type Lane, type LimitedStorage, noPace, type PaceOf } from './providers/pace.ts'
import type { Provider, ProviderEnvironment, ProviderKind } from './providers/provider.ts'
import { providers } from './providers/registry.ts'
import { type SealedRow, storageContext } from './providers/seal-context.ts'
import type { Sealer } from './security/seal.ts'

/** The columns of a stored storage that are needed to connect to it. */
export type StoredPlace = SealedRow & LimitedStorage & Pick<Storage, 'secrets' | 'updatedAt'>

/** A storage that is not saved yet. A function returns the secrets, so that nothing prints them by mistake. */
export interface DraftPlace extends Pick<SealedRow, 'provider' | 'location'>, Pick<Partial<LimitedStorage>, 'id'> {
  readSecrets(): Record<string, string>
}

export type Connectable = StoredPlace | DraftPlace

/** Opens providers. All other code gets its providers here. */
export interface Connections {
  /**
   * Opens the provider of a storage, with unsealed secrets and validated location. The caller must call `close` once.
   *
   * Callers share the client of a stored storage, with its sockets and cached credentials, until it was idle for a while, its
   * settings change, or the clock of this machine is set. Runs and people (`lane`) have separate clients. Their requests wait
   * for the rate limits of the storage, and the lanes take turns.
   *
   * Rejects with BLOCKED_ADDRESS if the server may not connect, with BAD_CREDENTIALS if the secrets were not entered for this
   * row and location, and with AMBIENT_CREDENTIALS_DISABLED if there are no secrets and the storage may not use the identity of
   * the server.
   */
  connect(storage: Connectable, lane?: Lane): Promise<Provider>
  /** Closes all unused clients. The others are closed when their last user calls `close`. */
  stop(): void
}

export type Connect = Connections['connect']

interface Shared {
  provider: Promise<Provider>
  storage: StoredPlace
  users: number
  idle: NodeJS.Timeout | undefined
  /** True if the clock was set after the client was opened. Its sessions and tokens would then end at the wrong time. */
  isOutdated: () => boolean
}

/** Creates the connections that all syncs, exports, resolve and checks share. Idle clients close after `idleMs`. */
export function createConnections(
  {
    sealer,
    environment,
    ambient = createAmbientCredentials([], false),
    paceOf = () => noPace,
  }: {
    sealer: Sealer
    environment: ProviderEnvironment
    /** Decides which storages may use the cloud identity of the server. Default: none. */
    ambient?: AmbientCredentials
    /** The rate limits of storages. Default: no limits. */
    paceOf?: PaceOf
  },
  { idleMs = 60_000, clocks = machineClocks }: { idleMs?: number; clocks?: Clocks } = {},
): Connections {
  const open = async (storage: Connectable, lane: Lane): Promise<Provider> => {
    const kind: ProviderKind = providers[storage.provider]
    const location = kind.location.safeParse(storage.location)
    if (!location.success) throw locationInvalid(location.error.issues)
    const secrets = kind.secrets.safeParse(
      'readSecrets' in storage ? storage.readSecrets() : unsealSecrets(sealer, storage),
    )
    if (!secrets.success)
      throw new SluiceError('BAD_CREDENTIALS', 'The stored secrets are not valid. Enter them again.')
    await environment.egress.allow(kind.targets(location.data, secrets.data))
    const request = kind.ambient?.(location.data, secrets.data)
    if (request) ambient.allow(request)
    const { id } = storage
    const pace = id === undefined ? noPace : paceOf('readSecrets' in storage ? { id } : storage, lane)
    const provider = await kind.open(location.data, secrets.data, { ...environment, pace })
    return guardProvider(provider, { sendsDotSegments: kind.sendsDotSegments(location.data), pace })
  }
  const shared = new Map<string, Shared>()
  let stopped = false

  const end = (version: string, client: Shared) => {
    clearTimeout(client.idle)
    if (shared.get(version) === client) shared.delete(version)
    client.provider.then(
      (provider) => provider.close(),
      () => {},
    )
  }

  return {
    async connect(storage, lane = 'PEOPLE') {
      if ('readSecrets' in storage) return open(storage, lane)
      const version = `${storage.id}@${storage.updatedAt.getTime()} ${lane}`
      const known = shared.get(version)
      const fits = known && !known.isOutdated() && isSame(known, storage)
      if (known?.users === 0 && !fits) end(version, known)
      const client = fits
        ? known
        : { provider: open(storage, lane), storage, users: 0, idle: undefined, isOutdated: watchClock(clocks) }
      shared.set(version, client)
      client.users++
      let isOpen = true
      const close = () => {
        if (!isOpen) return
        isOpen = false
        if (--client.users > 0) return
        if (stopped || shared.get(version) !== client) end(version, client)
        else if (client.idle) client.idle.refresh()
        else client.idle = setTimeout(() => client.users === 0 && end(version, client), idleMs).unref()
      }
      try {
        return { ...(await client.provider), close }
      } catch (error) {
        isOpen = false
        client.users--
        end(version, client)
        throw error
      }
    },
    stop() {
      stopped = true
      for (const [version, client] of shared) if (client.users === 0) end(version, client)
    },
  }
}

/** True if the row still has the settings of the client. Changes made directly in the database do not set `updatedAt`. */
function isSame(client: Shared, storage: StoredPlace): boolean {
  const { storage: known } = client
  const columns = ['secrets', 'provider', 'project', 'direction'] as const
  if (columns.some((name) => known[name] !== storage[name])) return false
  if (known.location === storage.location) return true
  if (!isDeepStrictEqual(known.location, storage.location)) return false
  // Rows are cached, so the next comparison succeeds by identity.
  client.storage = storage
  return true
}

function locationInvalid(issues: { path: PropertyKey[]; message: string }[]): SluiceError {
  const list = issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  return new SluiceError(
    'LOCATION_INVALID',
    `The stored location is not valid: ${list}. Correct it and save the storage again.`,
  )
}

/**
 * Decrypts the secrets of a stored storage.
 * @throws SluiceError BAD_CREDENTIALS if they were sealed for another row or location, or with another SECRET_KEY.
 */
export function unsealSecrets(sealer: Sealer, row: SealedRow & Pick<Storage, 'secrets'>): Record<string, string> {
  if (row.secrets === null || row.secrets === undefined) return {}
  try {
    return JSON.parse(sealer.unseal(row.secrets, storageContext(row)))
  } catch (cause) {
    throw new SluiceError('BAD_CREDENTIALS', unreadable, { cause })
  }
}

/** Why the stored secrets of a storage are not used, and what to do. */
export const unreadable =
  'The stored credentials cannot be read: they were entered for another location or storage, or SECRET_KEY has changed. Enter them again.'

/** Seals the secrets of a storage for its row and location. Null if there are no secrets. */
export function sealSecrets(sealer: Sealer, secrets: Record<string, unknown>, row: SealedRow): string | null {
  return Object.keys(secrets).length === 0 ? null : sealer.seal(JSON.stringify(secrets), storageContext(row))
}
