import { createHash } from 'node:crypto'
import { unreadable, unsealSecrets } from '../connect.ts'
import type { Storage, StorageDirection } from '../entities/storage.ts'
import { type FieldError, SluiceError } from '../errors.ts'
import { changedParts } from '../providers/binding.ts'
import { hasDotSegments } from '../providers/kit/dot-segments.ts'
import { folderOf } from '../providers/kit/folder-of.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import type { Sealer } from '../security/seal.ts'

/** Location and secrets as entered, in one flat object. An absent secret keeps the stored one, null deletes it. */
export interface LocationInput {
  provider: ProviderName
  fields: Record<string, unknown>
}

/** Location and secrets of a storage. */
export interface DraftLocation {
  provider: ProviderName
  location: Storage['location']
  /** @throws SluiceError BAD_CREDENTIALS if the stored secrets cannot be read. */
  readSecrets(): Record<string, string>
  /** The stored, sealed secrets. Undefined if a location was entered; the secrets must then be sealed again. */
  sealed: string | null | undefined
}

/**
 * Returns provider, validated location and secrets, from the input or the stored row. Stored secrets remain only while the
 * bound parts of the location are unchanged. If they change, each stored secret must be entered again (SECRETS_REQUIRED).
 * Errors are added to `faults`.
 */
export function readLocation(
  sealer: Sealer,
  { stored, input }: { stored: Storage | null; input: LocationInput | undefined },
  faults: FieldError[],
): DraftLocation | undefined {
  if (!input) {
    if (stored) {
      const { location } = stored
      const readSecrets = () => unsealSecrets(sealer, stored)
      return { provider: stored.provider, location, readSecrets, sealed: stored.secrets }
    }
    faults.push({ path: 'location', message: 'is required: it names the bucket or folder' })
    return undefined
  }
  if (stored && stored.provider !== input.provider) {
    faults.push({ path: 'location', message: 'the provider of a storage cannot be changed; create another storage' })
    return undefined
  }
  const kind: ProviderKind = providers[input.provider]
  const path = `location.${kind.inputName}`
  const split = (names: object) =>
    Object.fromEntries(Object.entries(input.fields).filter(([name, value]) => name in names && value !== undefined))
  const location = kind.location.safeParse(withoutNulls(split(kind.location.shape)))
  const given = split(kind.secrets.shape)
  const storedSecrets = stored ? remainingSecrets(sealer, kind, { stored, given }) : {}
  const secrets = kind.secrets.safeParse(
    withoutNulls({ ...(storedSecrets !== 'UNREADABLE' && storedSecrets), ...given }),
  )
  for (const result of [location, secrets]) {
    for (const issue of result.error?.issues ?? []) {
      faults.push({ path: [path, ...issue.path].join('.'), message: issue.message })
    }
  }
  if (storedSecrets === 'UNREADABLE') faults.push({ path, message: unreadable, code: 'SECRETS_REQUIRED' })
  if (!location.success || !secrets.success || storedSecrets === 'UNREADABLE') return undefined
  const changed = stored ? changedParts(kind.boundTo, stored.location, location.data) : []
  if (changed.length > 0) {
    const message =
      `must be entered again, or cleared with null: ${changed.join(', ')} changed, ` +
      'and stored secrets are sent only to the location for which they were entered'
    faults.push(
      ...Object.keys(storedSecrets).map((name) => ({
        path: `${path}.${name}`,
        message,
        code: 'SECRETS_REQUIRED' as const,
      })),
    )
  }
  const crossFaults = kind.crossCheck?.(location.data, secrets.data) ?? []
  faults.push(...crossFaults.map((fault) => ({ ...fault, path: `${path}.${fault.path}` })))
  faults.push(...dotFaults(kind, location.data).map((name) => ({ path: `${path}.${name}`, message: dotMessage })))
  const readSecrets = () => secrets.data as Record<string, string>
  return { provider: input.provider, location: location.data, readSecrets, sealed: undefined }
}

const dotMessage = 'must have no "." or ".." segment: a proxy before this endpoint could turn it into another place'

/** The parts of a location that would mean another place if a client or proxy removed dot segments from the path. */
function dotFaults(kind: ProviderKind, location: Record<string, unknown>): string[] {
  if (kind.sendsDotSegments(location)) return []
  return ['bucket', 'container', 'prefix'].filter((name) => hasDotSegments(String(location[name] ?? '')))
}

const withoutNulls = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

/**
 * The stored secrets that remain. A given secret replaces the stored one, those that it supersedes and those that depend on it;
 * null deletes it. Stored secrets that cannot be decrypted are dropped as soon as any secret is given.
 */
function remainingSecrets(
  sealer: Sealer,
  kind: ProviderKind,
  { stored, given }: { stored: Storage; given: Record<string, unknown> },
): Record<string, string> | 'UNREADABLE' {
  const superseded = Object.entries(kind.supersedes ?? {}).flatMap(([name, others]) => (given[name] ? others : []))
  const orphaned = Object.entries(kind.dependsOn ?? {}).flatMap(([name, others]) =>
    others.some((other) => other in given) ? [name] : [],
  )
  const outdated = [...superseded, ...orphaned]
  try {
    const storedSecrets = Object.entries(unsealSecrets(sealer, stored))
    return Object.fromEntries(storedSecrets.filter(([name]) => !(name in given) && !outdated.includes(name)))
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return Object.keys(given).length > 0 ? {} : 'UNREADABLE'
  }
}

type LocatedStorage = Pick<Storage, 'provider' | 'location'>

/** The bucket of the storage, or its equivalent. */
export function bucketOf(storage: LocatedStorage): string {
  return addressOf(storage).bucket
}

/** A hash of direction, provider, location and filter. Two storages of a project are duplicates if their hashes are equal. */
export function fingerprintOf(direction: StorageDirection, place: LocatedStorage, regexFilter: string | null): string {
  const { endpoint, bucket, prefix } = addressOf(place)
  const identity = JSON.stringify([direction, place.provider, endpoint, bucket, prefix, regexFilter ?? ''])
  return createHash('sha256').update(identity).digest('hex')
}

/** True if an import from one location lists objects that an export to the other location writes. */
export function overlap(source: LocatedStorage, target: LocatedStorage): boolean {
  const [from, to] = [addressOf(source), addressOf(target)]
  if (source.provider !== target.provider || from.endpoint !== to.endpoint || from.bucket !== to.bucket) return false
  // The prefix of an import is literal. An export joins its prefix and the names with a slash.
  const written = folderOf(to.prefix)
  return written.startsWith(from.prefix) || from.prefix.startsWith(written)
}

/** The keys that a listing of the storage can return. */
export function folderScope({ provider, location, recursive }: LocatedStorage & Pick<Storage, 'recursive'>): {
  prefix: string
  recursive: boolean
} {
  const { prefix } = providers[provider].place(location)
  return { prefix: recursive ? prefix : folderOf(prefix), recursive }
}

/** Endpoint, bucket and prefix of the storage, comparable with those of another one. */
export function addressOf({ provider, location }: LocatedStorage): ReturnType<ProviderKind['place']> {
  const { endpoint, ...rest } = providers[provider].place(location)
  return { endpoint: URL.canParse(endpoint) ? new URL(endpoint).href : endpoint, ...rest }
}
