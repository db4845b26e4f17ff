import { type Storage, type StorageDirection, StorageEntity } from '../entities/storage.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import { createSlices } from '../security/slices.ts'
import { fieldsOf } from '../unknown.ts'
import { type CheckStep, type CheckSubject, checkConnection } from './check.ts'
import type { Draft, DraftTarget, StorageDeps, StorageInput } from './draft.ts'
import { draftExport, refusalOf } from './export-settings.ts'
import { draftImport } from './import-settings.ts'
import { createObjectFilter, unsupportedGlobs } from './object-filter.ts'

/** Options of a check. */
export interface CheckOptions {
  /** Write no probe object to an export storage. */
  skipProbe?: boolean | null | undefined
}

/**
 * Checks a stored storage, a stored storage with changes, or a candidate that is not stored. Saves nothing. `direction` is by
 * default that of the stored storage, and IMPORT for a candidate.
 * @throws ValidationError, NotFoundError
 */
export async function checkStorage(
  parts: StorageDeps,
  target: DraftTarget,
  { direction, skipProbe, ...input }: StorageInput & CheckOptions & { direction?: StorageDirection | null | undefined },
): Promise<CheckStep[]> {
  const stored = 'id' in target ? await parts.em.fork().findOne(StorageEntity, target.id) : null
  const draft = await (stored?.direction === 'EXPORT' ? draftExport : draftImport)(parts, target, input)
  return checkDraft(parts, { ...draft, direction: direction ?? draft.direction }, { skipProbe })
}

/** Checks the connection of a row that is not saved yet. */
export async function checkDraft(
  { connect, egress }: StorageDeps,
  draft: Draft,
  { skipProbe }: CheckOptions,
): Promise<CheckStep[]> {
  const { provider } = draft
  const kind: ProviderKind = providers[provider]
  const settings: Partial<Storage> = draft
  const filter = createObjectFilter(
    { regexFilter: settings.regexFilter ?? null, filters: settings.filters ?? null },
    undefined,
    { isStored: true },
  )
  const slices = createSlices()
  const subject: CheckSubject = {
    provider,
    egress,
    direction: draft.direction,
    prefix: kind.place(draft.location).prefix,
    open: async () => {
      const refused = draft.direction === 'EXPORT' && refusalOf(draft)
      if (refused) throw refused
      return connect(draft)
    },
    takes: async (object) => (await filter.all([object], slices))[0] === null,
    deadGlobs: unsupportedGlobs(settings.filters ?? {}).map(({ path, message }) => `${path}: ${message}`),
    skipProbe: skipProbe ?? false,
    readsTasks: settings.importMethod === 'TASKS',
    recursive: settings.recursive ?? true,
    presigns: (settings.presign ?? false) && kind.canPresign,
    publicEndpoint: Boolean(fieldsOf<'publicEndpoint'>(draft.location).publicEndpoint),
  }
  return checkConnection(subject)
}
