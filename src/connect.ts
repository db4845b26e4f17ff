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

/** A stored storage: what of its row is needed to reach its place. */
export type StoredPlace = SealedRow & LimitedStorage & Pick<Storage, 'secrets' | 'updatedAt'>

/** The place of a storage that is not saved yet. A function, so that nothing prints the secrets by mistake. */
export interface DraftPlace extends Pick<SealedRow, 'provider' | 'location'>, Pick<Partial<LimitedStorage>, 'id'> {
  readSecrets(): Record<string, string>
}

export type Connectable = StoredPlace | DraftPlace

/** The one way from a row to an open provider. */
export interface Connections {
  /**
   * Opens the place behind a storage row: secrets unsealed, location read. A stored storage's client, with its sockets and
   * cached credentials, is shared by all who use it at the same time or soon after, for as long as neither its settings nor the
   * clock of this machine are changed. Rejects with BLOCKED_ADDRESS where the server may not connect, with BAD_CREDENTIALS if the secrets were not
   * entered for this row and location, and with AMBIENT_CREDENTIALS_DISABLED if it has none and may not use the server's
   * identity. `close` gives it back and must be called once. What `lane` does waits for the limits of the storage; runs and people
   * have clients of their own, and take turns.
   */
  connect(storage: Connectable, lane?: Lane): Promise<Provider>
  /** Closes the clients that nobody uses; the others close when they are given back. */
  stop(): void
}

export type Connect = Connections['connect']

interface Shared {
  provider: Promise<Provider>
  storage: StoredPlace
  users: number
  idle: NodeJS.Timeout | undefined
  /** Whether the clock of this machine was set since: sessions and tokens of the client would end at the wrong time. */
  isOutdated: () => boolean
}

/** Sync, resolve and storages share one of these. A client that was not used for `idleMs` is closed. */
export function createConnections(
  {
    sealer,
    environment,
    ambient = createAmbientCredentials([], false),
    paceOf = () => noPace,
  }: {
    sealer: Sealer
    environment: ProviderEnvironment
    /** Who may use the server's own identity; by default nobody. */
    ambient?: AmbientCredentials
    /** The limits of storages; by default there are none. */
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
    const provider = await kind.open(location.data, secrets.data, Object.create(environment, { pace: { value: pace } }))
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
      let given = true
      const close = () => {
        if (!given) return
        given = false
        if (--client.users > 0) return
        if (stopped || shared.get(version) !== client) end(version, client)
        else if (client.idle) client.idle.refresh()
        else client.idle = setTimeout(() => client.users === 0 && end(version, client), idleMs).unref()
      }
      try {
        return { ...(await client.provider), close }
      } catch (error) {
        given = false
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

/** Whether a row still has the settings of a client. A change that bypassed the server leaves `updatedAt` as it is. */
function isSame(client: Shared, storage: StoredPlace): boolean {
  const { storage: known } = client
  const columns = ['secrets', 'provider', 'project', 'direction'] as const
  if (columns.some((name) => known[name] !== storage[name])) return false
  if (known.location === storage.location) return true
  if (!isDeepStrictEqual(known.location, storage.location)) return false
  // Rows are cached, so the next comparison is one of identity.
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
 * The secrets of a stored storage.
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

/** Seals the secrets of a storage for its row and location; null when there are none. */
export function sealSecrets(sealer: Sealer, secrets: Record<string, unknown>, row: SealedRow): string | null {
  return Object.keys(secrets).length === 0 ? null : sealer.seal(JSON.stringify(secrets), storageContext(row))
}
