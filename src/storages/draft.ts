import type { EntityManager } from '@mikro-orm/postgresql'
import type { Connect } from '../connect.ts'
import { ProjectEntity } from '../entities/project.ts'
import { type Storage, StorageEntity } from '../entities/storage.ts'
import { type FieldError, NotFoundError, ValidationError } from '../errors.ts'
import type { Egress } from '../security/egress.ts'
import type { Sealer } from '../security/seal.ts'
import { type DraftLocation, type LocationInput, readLocation } from './place.ts'
import type { SettingsInput } from './read-settings.ts'

/** Dependencies of this folder. */
export interface StorageDeps {
  em: EntityManager
  sealer: Sealer
  connect: Connect
  egress: Egress
  /** The global id of an object of the schema. */
  globalId: (typename: string, id: number) => string
}

/** The storage to save or check: a stored one, or a new one of a project. */
export type DraftTarget = { project: number } | { id: number }

/** The location and the settings of a storage. Absent ones keep their value or have their default. */
export interface StorageInput extends SettingsInput {
  location?: LocationInput | undefined
}

/** The columns that saving sets, with the secrets in plain text. Columns that syncs write are not part of it. */
export type Draft = DraftLocation &
  Pick<Storage, 'project' | 'direction' | 'fingerprint'> & {
    /** Id of a stored storage. Its rate limits apply to checks and previews, too. */
    id?: number
  } & Partial<Omit<Storage, 'id' | 'secrets' | 'createdAt' | 'updatedAt' | 'lastRun' | 'lastSyncAt' | 'lastSyncCount'>>

/**
 * Returns the project and the validated location of a storage. `read` receives the stored row, reads the settings and adds
 * their errors to the list. The path of each error begins with the name of the setting.
 * @throws ValidationError with all errors at once; NotFoundError
 */
export async function draftCommon<Own>(
  { em, sealer }: StorageDeps,
  target: DraftTarget,
  input: StorageInput,
  read: (stored: Storage | null, faults: FieldError[]) => Own,
): Promise<{ place: Pick<Draft, 'project' | 'id'> & DraftLocation; own: Own }> {
  const stored = 'id' in target ? await em.fork().findOne(StorageEntity, target.id) : null
  if ('id' in target && !stored) throw new NotFoundError('There is no such storage.')
  const project = stored?.project ?? (target as { project: number }).project
  if (!stored && (await em.fork().count(ProjectEntity, { id: project })) === 0) {
    throw new NotFoundError('There is no such project.')
  }
  const faults: FieldError[] = []
  const place = readLocation(sealer, { stored, input: input.location }, faults)
  const own = read(stored, faults)
  if (faults.length > 0) throw new ValidationError(faults.map((fault) => ({ ...fault, path: `input.${fault.path}` })))
  return { place: { project, ...place!, ...(stored && { id: stored.id }) }, own }
}
