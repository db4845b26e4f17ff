import { SluiceError } from '../errors.ts'

/** Kinds of storage for which the server can have its own identity. */
type AmbientProvider = 'S3' | 'GCS' | 'AZURE_BLOB'

/** The request of a storage without credentials to use the identity of the server. */
export interface AmbientRequest {
  provider: AmbientProvider
  /** Bucket (Azure: account, container) and the literal prefix of the storage. */
  path: readonly string[]
  /** Entered endpoints that are not hosts of the cloud itself. */
  foreignEndpoints: readonly string[]
}

/** Decides which storages may use the server's own identity: instance role, managed identity, ADC, keys in the environment. */
export interface AmbientCredentials {
  /** @throws SluiceError AMBIENT_CREDENTIALS_DISABLED */
  allow(request: AmbientRequest): void
}

/**
 * Allows the identity for all storages if `isEnabled` (local mode), otherwise for those in `listed`: `S3`, `S3:bucket`,
 * `S3:bucket/prefix`, `AZURE_BLOB:account/container`. A listed prefix covers prefixes that continue it after a `/`. So
 * `bucket/pre` covers `pre/` and `pre/a`, but not `prefix/`, and not `pre` either, because `pre` also selects the keys below
 * `prefix/`. The identity is never sent to an endpoint outside of the cloud.
 */
export function createAmbientCredentials(listed: readonly string[], isEnabled: boolean): AmbientCredentials {
  const rules = listed.map((entry) => {
    const [provider, ...rest] = entry.split(':')
    return { provider, path: rest.join(':').replace(/\/+$/, '') }
  })
  return {
    allow({ provider, path, foreignEndpoints }) {
      if (foreignEndpoints.length > 0) {
        throw new SluiceError('AMBIENT_CREDENTIALS_DISABLED', ownHostsOnly)
      }
      const full = path.join('/')
      // Servers may resolve `pre/../other`.
      const hasDotSegment = full.split('/').some((part) => part === '.' || part === '..')
      const covers = (rule: { path: string }) =>
        rule.path === '' || (!hasDotSegment && full.startsWith(`${rule.path}/`))
      if (isEnabled || rules.some((rule) => rule.provider === provider && covers(rule))) return
      throw new SluiceError('AMBIENT_CREDENTIALS_DISABLED', disabled(provider, full))
    },
  }
}

const ownHostsOnly =
  "The server's own identity (AMBIENT_CREDENTIALS) is sent only to the cloud's own hosts, and this storage has an endpoint " +
  'of its own. Enter credentials, or choose anonymous for public objects.'

const disabled = (provider: string, path: string) =>
  "This storage has no credentials, and the server's own identity is not enabled for it. Enter credentials, choose anonymous " +
  `for public objects, or ask the operator to add ${provider}:${path.slice(0, path.lastIndexOf('/'))} to AMBIENT_CREDENTIALS.`
