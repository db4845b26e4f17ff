import { type Storage, type StorageDirection, StorageEntity } from '../entities/storage.ts'
import type { ProviderKind } from '../providers/provider.ts'
import { type ProviderName, providers } from '../providers/registry.ts'
import { createSlices } from '../security/slices.ts'
import { type CheckStep, type CheckSubject, checkConnection } from './check.ts'
import type { Draft, DraftTarget, StorageParts } from './draft.ts'
import { draftExport, type ExportStorageInput, refusalOf } from './export-settings.ts'
import { draftImport, type ImportStorageInput } from './import-settings.ts'

/** What of a check may be left out. */
export interface CheckOptions {
  /** Write nothing to a target. */
  skipProbe?: boolean | null | undefined
}

/**
 * Checks a stored storage, a stored one with changes, or a candidate. Stores nothing. `direction` is what the place is meant
 * for: that of the stored one unless said, and IMPORT for a candidate.
 * @throws ValidationError, NotFoundError
 */
export async function checkStorage(
  parts: StorageParts,
  target: DraftTarget,
  {
    direction,
    skipProbe,
    ...input
  }: ImportStorageInput & ExportStorageInput & CheckOptions & { direction?: StorageDirection | null | undefined },
): Promise<CheckStep[]> {
  const stored = 'id' in target ? await parts.em.fork().findOne(StorageEntity, target.id) : null
  const draft = await (stored?.direction === 'EXPORT' ? draftExport : draftImport)(parts, target, input)
  return checkDraft(parts, { ...draft, direction: direction ?? draft.direction }, { skipProbe })
}

/** Checks the connection of a row that is not saved yet. */
export async function checkDraft(
  { connect, egress, objectFilter }: StorageParts,
  draft: Draft,
  { skipProbe }: CheckOptions,
): Promise<CheckStep[]> {
  const provider = draft.provider as ProviderName
  const kind: ProviderKind = providers[provider]
  const settings: Partial<Storage> = draft
  const filter = objectFilter({ regexFilter: settings.regexFilter ?? null, filters: settings.filters ?? null })
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
    skipProbe: skipProbe ?? false,
    readsTasks: settings.importMethod === 'TASKS',
    recursive: settings.recursive ?? true,
    presigns: (settings.presign ?? false) && kind.canPresign,
    publicEndpoint: Boolean((draft.location as { publicEndpoint?: string }).publicEndpoint),
  }
  return checkConnection(subject)
}
