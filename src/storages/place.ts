import { createHash } from 'node:crypto'
import { unreadable, unsealSecrets } from '../connect.ts'
import type { Storage, StorageDirection } from '../entities/storage.ts'
import { type FieldError, SluiceError } from '../errors.ts'
import { changedParts } from '../providers/binding.ts'
import { hasDotSegments } from '../providers/kit/dot-segments.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import type { Sealer } from '../security/seal.ts'

/** Location and secrets as a person enters them: one flat object of fields. Absent secrets keep the stored ones, null clears. */
export interface LocationInput {
  provider: ProviderName
  fields: Record<string, unknown>
}

/** Where a storage is and how it is entered. */
export interface Place {
  provider: ProviderName
  location: Storage['location']
  /** @throws SluiceError BAD_CREDENTIALS if the stored secrets cannot be read. */
  readSecrets(): Record<string, string>
  /** The secrets as they are stored; undefined if a location was entered, so that they must be sealed anew. */
  sealed: string | null | undefined
}

/**
 * Provider, checked location and secrets, from the input or as stored. Stored secrets are kept only while the bound parts of
 * the location stay the same: each that would follow to another place is a fault SECRETS_REQUIRED. Faults are added to `faults`.
 */
export function placeOf(
  sealer: Sealer,
  { stored, input }: { stored: Storage | null; input: LocationInput | undefined },
  faults: FieldError[],
): Place | undefined {
  if (!input) {
    if (stored) {
      const { location } = stored
      const readSecrets = () => unsealSecrets(sealer, stored)
      return { provider: stored.provider, location, readSecrets, sealed: stored.secrets }
    }
    faults.push({ path: 'location', message: 'say where the objects are' })
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
  const kept = stored ? keptSecrets(sealer, kind, { stored, given }) : {}
  const secrets = kind.secrets.safeParse(withoutNulls({ ...(kept !== 'UNREADABLE' && kept), ...given }))
  for (const result of [location, secrets]) {
    for (const issue of result.error?.issues ?? []) {
      faults.push({ path: [path, ...issue.path].join('.'), message: issue.message })
    }
  }
  if (kept === 'UNREADABLE') faults.push({ path, message: unreadable, code: 'SECRETS_REQUIRED' })
  if (!location.success || !secrets.success || kept === 'UNREADABLE') return undefined
  const changed = stored ? changedParts(kind.boundTo, stored.location, location.data) : []
  if (changed.length > 0) {
    const message =
      `must be entered again, or cleared with null: ${changed.join(', ')} changed, ` +
      'and stored secrets are sent only to the location for which they were entered'
    faults.push(
      ...Object.keys(kept).map((name) => ({ path: `${path}.${name}`, message, code: 'SECRETS_REQUIRED' as const })),
    )
  }
  const crossed = kind.crossCheck?.(location.data, secrets.data) ?? []
  faults.push(...crossed.map((fault) => ({ ...fault, path: `${path}.${fault.path}` })))
  faults.push(...dotFaults(kind, location.data).map((name) => ({ path: `${path}.${name}`, message: dotWords })))
  const readSecrets = () => secrets.data as Record<string, string>
  return { provider: input.provider, location: location.data, readSecrets, sealed: undefined }
}

const dotWords = 'must have no "." or ".." segment: a proxy before this endpoint could turn it into another place'

/** The parts of a place that lead elsewhere where somebody takes dot segments out of paths. */
function dotFaults(kind: ProviderKind, location: Record<string, unknown>): string[] {
  if (kind.sendsDotSegments(location)) return []
  return ['bucket', 'container', 'prefix'].filter((name) => hasDotSegments(String(location[name] ?? '')))
}

const withoutNulls = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

/**
 * The stored secrets that stay: a given one replaces its own and those that belong to it, and null clears. Stored secrets that
 * cannot be read are dropped once any secret is given.
 */
function keptSecrets(
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
    const kept = Object.entries(unsealSecrets(sealer, stored))
    return Object.fromEntries(kept.filter(([name]) => !(name in given) && !outdated.includes(name)))
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return Object.keys(given).length > 0 ? {} : 'UNREADABLE'
  }
}

type Located = Pick<Storage, 'provider' | 'location'>

/** The bucket, or what stands for it, that objects of the storage lie in. */
export function bucketOf(storage: Located): string {
  return addressOf(storage).bucket
}

/** What makes two storages of a project the same: direction, provider, place and filter. */
export function fingerprintOf(direction: StorageDirection, place: Located, regexFilter: string | null): string {
  const { endpoint, bucket, prefix } = addressOf(place)
  const identity = JSON.stringify([direction, place.provider, endpoint, bucket, prefix, regexFilter ?? ''])
  return createHash('sha256').update(identity).digest('hex')
}

/** Whether an import from one place lists what an export to the other writes. */
export function overlap(source: Located, target: Located): boolean {
  const [from, to] = [addressOf(source), addressOf(target)]
  if (source.provider !== target.provider || from.endpoint !== to.endpoint || from.bucket !== to.bucket) return false
  // A source's prefix is literal; names in a target are joined to its prefix with a slash.
  const written = to.prefix === '' || to.prefix.endsWith('/') ? to.prefix : `${to.prefix}/`
  return written.startsWith(from.prefix) || from.prefix.startsWith(written)
}

function addressOf({ provider, location }: Located): ReturnType<ProviderKind['place']> {
  const { endpoint, ...rest } = providers[provider].place(location)
  return { endpoint: URL.canParse(endpoint) ? new URL(endpoint).href : endpoint, ...rest }
}
