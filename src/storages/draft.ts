import type { EntityManager } from '@mikro-orm/postgresql'
import type { Connect } from '../connect.ts'
import { ProjectEntity } from '../entities/project.ts'
import { type ExportFormat, type Storage, StorageEntity } from '../entities/storage.ts'
import { type FieldError, NotFoundError, ValidationError } from '../errors.ts'
import type { ObjectInfo } from '../providers/provider.ts'
import type { Egress } from '../security/egress.ts'
import type { Sealer } from '../security/seal.ts'
import type { Slices } from '../security/slices.ts'
import { type LocationInput, type Place, placeOf } from './place.ts'

/** What the storages room works with. */
export interface StorageParts {
  em: EntityManager
  sealer: Sealer
  connect: Connect
  egress: Egress
  /** The rule by which the filters of a storage leave an object out; throws a ValidationError for filters that are none. */
  objectFilter: (settings: Pick<Storage, 'regexFilter' | 'filters'>) => {
    /** The rules for many objects; gives way to other work of the process meanwhile. */
    all(objects: readonly ObjectInfo[], slices?: Slices): Promise<(string | null)[]>
  }
  /** What is wrong with a name template; undefined when no two objects can get the same name by it. */
  templateFault: (template: string, format: ExportFormat) => string | undefined
  /** The id by which clients know an object of the schema. */
  globalId: (typename: string, id: number) => string
}

/** The storage that is to be saved or checked: a stored one, or a new one of a project. */
export type DraftTarget = { project: number } | { id: number }

/** Settings that storages of both directions have; absent ones keep their value or default. */
export interface CommonInput {
  title?: string | null | undefined
  description?: string | null | undefined
  location?: LocationInput | undefined
}

/** What saving sets, with the secrets as they were entered; what syncs write meanwhile is left alone. */
export type Draft = Place &
  Pick<Storage, 'project' | 'direction' | 'fingerprint' | 'title' | 'description'> &
  Partial<Omit<Storage, 'id' | 'secrets' | 'createdAt' | 'updatedAt' | 'lastRun' | 'lastSyncAt' | 'lastSyncCount'>>

/**
 * The settings that both directions share, checked. `read` gets what is stored, reads the others, and adds their faults to
 * the list, with paths from the input on.
 * @throws ValidationError with all faults at once; NotFoundError
 */
export async function draftCommon<Own>(
  { em, sealer }: StorageParts,
  target: DraftTarget,
  input: CommonInput,
  read: (stored: Storage | null, faults: FieldError[]) => Own,
): Promise<{ common: Pick<Draft, 'project' | 'title' | 'description'> & Place; own: Own }> {
  const stored = 'id' in target ? await em.fork().findOne(StorageEntity, target.id) : null
  if ('id' in target && !stored) throw new NotFoundError('There is no such storage.')
  const project = stored?.project ?? (target as { project: number }).project
  if (!stored && (await em.fork().count(ProjectEntity, { id: project })) === 0) {
    throw new NotFoundError('There is no such project.')
  }
  const faults: FieldError[] = []
  const place = placeOf(sealer, { stored, input: input.location }, faults)
  const own = read(stored, faults)
  if (faults.length > 0) throw new ValidationError(faults.map((fault) => ({ ...fault, path: `input.${fault.path}` })))
  const title = input.title === undefined ? stored?.title : input.title
  const description = input.description === undefined ? stored?.description : input.description
  return { common: { project, ...place!, title, description }, own }
}
