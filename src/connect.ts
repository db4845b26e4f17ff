import type { Storage } from './entities/storage.ts'
import { SluiceError } from './errors.ts'
import type { Provider, ProviderEnvironment, ProviderKind } from './providers/provider.ts'
import { type ProviderName, providers } from './providers/registry.ts'
import type { Sealer } from './security/seal.ts'

/** What of a storage's row is needed to reach its place. A candidate that is not stored yet has no id. */
export type Connectable = Pick<Storage, 'provider' | 'location' | 'secrets' | 'project'> &
  Partial<Pick<Storage, 'id' | 'updatedAt'>>

/** The one way from a row to an open provider. */
export interface Connections {
  /**
   * Opens the place behind a storage row: secrets unsealed, location read. A stored storage's client, with its sockets and
   * cached credentials, is shared by all who use it at the same time or soon after, for as long as its settings do not
   * change. Rejects with BLOCKED_ADDRESS where the server may not connect. `close` gives it back and must be called once.
   */
  connect(storage: Connectable): Promise<Provider>
  /** Closes the clients that nobody uses; the others close when they are given back. */
  stop(): void
}

export type Connect = Connections['connect']

interface Shared {
  provider: Promise<Provider>
  users: number
  idle: NodeJS.Timeout | undefined
}

/** Sync, resolve and storages share one of these. A client that was not used for `idleMs` is closed. */
export function createConnections(
  { sealer, environment }: { sealer: Sealer; environment: ProviderEnvironment },
  { idleMs = 60_000 }: { idleMs?: number } = {},
): Connections {
  const open = async (storage: Connectable): Promise<Provider> => {
    const kind: ProviderKind = providers[storage.provider as ProviderName]
    const location = kind.location.parse(storage.location)
    const secrets = kind.secrets.parse(unsealSecrets(sealer, storage))
    await environment.egress.allow(kind.targets(location, secrets))
    return kind.open(location, secrets, environment)
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
    async connect(storage) {
      if (storage.id === undefined || !storage.updatedAt) return open(storage)
      const version = `${storage.id}@${storage.updatedAt.getTime()}`
      const client = shared.get(version) ?? { provider: open(storage), users: 0, idle: undefined }
      shared.set(version, client)
      client.users++
      let given = true
      const close = () => {
        if (!given) return
        given = false
        if (--client.users > 0) return
        if (stopped) end(version, client)
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
