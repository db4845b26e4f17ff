import { createHash } from 'node:crypto'
import type { EntityManager } from '@mikro-orm/postgresql'
import { type Connect, sealSecrets, unsealSecrets } from '../connect.ts'
import { ImportLinkEntity } from '../entities/import-link.ts'
import { ImportedObjectEntity } from '../entities/imported-object.ts'
import { ProjectEntity } from '../entities/project.ts'
import { type ImportMethod, type Storage, type StorageDirection, StorageEntity } from '../entities/storage.ts'
import { SyncRunEntity } from '../entities/sync-run.ts'
import { ConflictError, type FieldError, NotFoundError, SluiceError, ValidationError } from '../errors.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import type { Sealer } from '../security/seal.ts'
import { sql } from '../sql.ts'
import { type CheckStep, type CheckSubject, ConnectionCheckError, checkConnection } from './check.ts'

/** What the storages room works with. */
export interface StorageParts {
  em: EntityManager
  sealer: Sealer
  connect: Connect
  /** The filter of keys behind a `regexFilter`; throws VALIDATION for a pattern that is none. */
  keyFilter: (regexFilter: string | null | undefined) => (key: string) => boolean
}

/** Location and secrets as a person enters them: one flat object of fields. Absent secrets keep the stored ones, null clears. */
export interface LocationInput {
  provider: ProviderName
  fields: Record<string, unknown>
}

/** The settings of an import storage; absent ones keep their value or default. */
export interface ImportStorageInput {
  title?: string | null | undefined
  description?: string | null | undefined
  location?: LocationInput | undefined
  importMethod?: ImportMethod | null | undefined
  regexFilter?: string | null | undefined
  recursive?: boolean | null | undefined
  presign?: boolean | null | undefined
  presignTtlMinutes?: number | null | undefined
}

/** The same place is connected to the project already. */
export class DuplicateStorageError extends SluiceError {
  readonly storageId: number
  constructor(storageId: number) {
    super(
      'DUPLICATE_STORAGE',
      `This place is already connected as storage ${storageId}. To connect it again, allow duplicates.`,
    )
    this.name = 'DuplicateStorageError'
    this.storageId = storageId
  }
}

/** What saving sets; what syncs write meanwhile is left alone. */
type Draft = Omit<Storage, 'id' | 'createdAt' | 'updatedAt' | 'lastRun' | 'lastSyncAt' | 'lastSyncCount'>

/**
 * Creates an import storage, or changes one (`id`), after checking the input, that the place is not connected twice and,
 * unless `skipCheck`, that the connection works.
 * @throws ValidationError, NotFoundError, DuplicateStorageError, ConnectionCheckError; then nothing was changed.
 */
export async function saveImportStorage(
  parts: StorageParts,
  target: { project: number } | { id: number },
  input: ImportStorageInput,
  options: { skipCheck?: boolean; allowDuplicate?: boolean },
): Promise<Storage> {
  const draft = await draftStorage(parts, target, input)
  if (!options.skipCheck) {
    const steps = await checkDraft(parts, draft)
    if (steps.some((step) => step.status === 'FAILED')) throw new ConnectionCheckError(steps)
  }
  return parts.em.fork().transactional(async (tx) => {
    // Two requests at once must not both find that the place is free.
    await sql(tx, `select pg_advisory_xact_lock(hashtext('sluice storages'), $1)`, [draft.project])
    const own = 'id' in target ? { id: { $ne: target.id } } : {}
    const twin = await tx.findOne(StorageEntity, { project: draft.project, fingerprint: draft.fingerprint, ...own })
    if (twin && !options.allowDuplicate) throw new DuplicateStorageError(twin.id)
    const row =
      'id' in target ? await tx.findOneOrFail(StorageEntity, target.id) : tx.create(StorageEntity, draft as Storage)
    // In another bucket, the same key is another object.
    if ('id' in target && bucketOf(row) !== bucketOf(draft)) {
      await tx.nativeDelete(ImportLinkEntity, { storage: row.id })
      await tx.nativeDelete(ImportedObjectEntity, { storage: row.id })
    }
    Object.assign(row, draft)
    await tx.persist(row).flush()
    return row
  })
}

const bucketOf = ({ provider, location }: Pick<Storage, 'provider' | 'location'>) =>
  providers[provider as ProviderName].place(location).bucket

/** Checks a stored storage, a stored one with changes, or a candidate for either direction. Stores nothing. */
export async function checkStorage(
  parts: StorageParts,
  target: { project: number } | { id: number },
  input: ImportStorageInput,
  direction: StorageDirection = 'IMPORT',
): Promise<CheckStep[]> {
  return checkDraft(parts, await draftStorage(parts, target, input), direction)
}

/**
 * Deletes a storage and its links; tasks stay. Number of tasks whose link is lost. With `dryRun` it only counts.
 * @throws NotFoundError; ConflictError while a sync of it is under way.
 */
export async function deleteStorage(
  em: EntityManager,
  id: number,
  dryRun: boolean,
): Promise<{ affectedTasks: number }> {
  const fork = em.fork()
  const storage = await fork.findOne(StorageEntity, id)
  if (!storage) throw new NotFoundError('There is no such storage.')
  const [row] = await sql<{ tasks: string }>(
    fork,
    'select count(distinct task_id) as tasks from import_link where storage_id = $1',
    [id],
  )
  if (!dryRun) {
    const active = { storage: id, status: ['QUEUED', 'IN_PROGRESS'] as const }
    if ((await fork.count(SyncRunEntity, active as never)) > 0) {
      throw new ConflictError('A sync of this storage is under way. Cancel it first.')
    }
    await fork.remove(storage).flush()
  }
  return { affectedTasks: Number(row?.tasks ?? 0) }
}

/** The row as it would be saved. */
async function draftStorage(
  { em, sealer, keyFilter }: StorageParts,
  target: { project: number } | { id: number },
  input: ImportStorageInput,
): Promise<Draft> {
  const stored = 'id' in target ? await em.fork().findOne(StorageEntity, target.id) : null
  if ('id' in target && !stored) throw new NotFoundError('There is no such storage.')
  const project = stored?.project ?? (target as { project: number }).project
  if (!stored && (await em.fork().count(ProjectEntity, { id: project })) === 0) {
    throw new NotFoundError('There is no such project.')
  }
  const faults: FieldError[] = []
  const place = placeOf(sealer, stored, input.location, project, faults)
  const regexFilter = (input.regexFilter === undefined ? stored?.regexFilter : input.regexFilter) || null
  try {
    keyFilter(regexFilter)
  } catch (error) {
    faults.push({ path: 'regexFilter', message: (error as Error).message })
  }
  const ttl = input.presignTtlMinutes ?? stored?.presignTtlMinutes ?? 15
  if (ttl < 1 || ttl > 10080) faults.push({ path: 'presignTtlMinutes', message: 'must be from 1 to 10080 (a week)' })
  if (faults.length > 0) throw new ValidationError(faults.map((f) => ({ ...f, path: `input.${f.path}` })))

  const { endpoint, bucket, prefix } = providers[place!.provider].place(place!.location)
  const address = URL.canParse(endpoint) ? new URL(endpoint).href : endpoint
  const identity = JSON.stringify(['IMPORT', place!.provider, address, bucket, prefix, regexFilter ?? ''])
  return {
    project,
    direction: 'IMPORT',
    ...place!,
    fingerprint: createHash('sha256').update(identity).digest('hex'),
    title: input.title === undefined ? stored?.title : input.title,
    description: input.description === undefined ? stored?.description : input.description,
    importMethod: input.importMethod ?? stored?.importMethod ?? 'FILES',
    regexFilter,
    recursive: input.recursive ?? stored?.recursive ?? true,
    presign: input.presign ?? stored?.presign ?? true,
    presignTtlMinutes: ttl,
  }
}

/** Provider, checked location and sealed secrets, from the input or as stored. Faults are added to `faults`. */
function placeOf(
  sealer: Sealer,
  stored: Storage | null,
  input: LocationInput | undefined,
  project: number,
  faults: FieldError[],
): (Pick<Storage, 'provider' | 'location' | 'secrets'> & { provider: ProviderName }) | undefined {
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

async function checkDraft(
  { connect, keyFilter }: StorageParts,
  draft: Draft,
  direction: StorageDirection = 'IMPORT',
): Promise<CheckStep[]> {
  const provider = draft.provider as ProviderName
  const kind: ProviderKind = providers[provider]
  const subject: CheckSubject = {
    provider,
    direction,
    prefix: kind.place(draft.location).prefix,
    open: async () => {
      const refused = direction === 'EXPORT' && kind.refuseTarget?.(draft.location)
      if (refused) throw refused
      return connect(draft)
    },
    takes: keyFilter(draft.regexFilter),
    readsTasks: draft.importMethod === 'TASKS',
    recursive: draft.recursive,
    presigns: draft.presign && kind.canPresign,
    publicEndpoint: Boolean((draft.location as { publicEndpoint?: string }).publicEndpoint),
  }
  return checkConnection(subject)
}
