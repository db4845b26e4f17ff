import { createHash } from 'node:crypto'
import { sealSecrets, unsealSecrets } from '../connect.ts'
import type { Storage, StorageDirection } from '../entities/storage.ts'
import type { FieldError } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import type { Sealer } from '../security/seal.ts'

/** Location and secrets as a person enters them: one flat object of fields. Absent secrets keep the stored ones, null clears. */
export interface LocationInput {
  provider: ProviderName
  fields: Record<string, unknown>
}

/** Where a storage is and how it is entered. */
export type Place = Pick<Storage, 'location' | 'secrets'> & { provider: ProviderName }

/** Provider, checked location and sealed secrets, from the input or as stored. Faults are added to `faults`. */
export function placeOf(
  sealer: Sealer,
  { stored, input, project }: { stored: Storage | null; input: LocationInput | undefined; project: Storage['project'] },
  faults: FieldError[],
): Place | undefined {
  if (!input) {
    if (stored) return { provider: stored.provider as ProviderName, location: stored.location, secrets: stored.secrets }
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
  const secrets = kind.secrets.safeParse(
    mergeSecrets(kind, stored ? unsealSecrets(sealer, stored) : {}, split(kind.secrets.shape)),
  )
  for (const result of [location, secrets]) {
    for (const issue of result.error?.issues ?? []) {
      faults.push({ path: [path, ...issue.path].join('.'), message: issue.message })
    }
  }
  if (!location.success || !secrets.success) return undefined
  const crossed = kind.crossCheck?.(location.data, secrets.data) ?? []
  faults.push(...crossed.map((fault) => ({ ...fault, path: `${path}.${fault.path}` })))
  return { provider: input.provider, location: location.data, secrets: sealSecrets(sealer, secrets.data, project) }
}

const withoutNulls = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

/** Absent keeps, null clears, and a new secret clears what belonged to the one it replaces. */
function mergeSecrets(kind: ProviderKind, stored: Record<string, string>, given: Record<string, unknown>) {
  const outdated = Object.entries(kind.supersedes ?? {}).flatMap(([name, others]) => (given[name] ? others : []))
  const kept = Object.entries(stored).filter(([name]) => !outdated.includes(name))
  return withoutNulls({ ...Object.fromEntries(kept), ...given })
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
  const { endpoint, ...rest } = providers[provider as ProviderName].place(location)
  return { endpoint: URL.canParse(endpoint) ? new URL(endpoint).href : endpoint, ...rest }
}
