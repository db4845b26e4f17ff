import type {
  ChangedPolicy,
  ImportFilters,
  ImportMethod,
  MissingPolicy,
  Storage,
  SyncMode,
} from '../entities/storage.ts'
import { type FieldError, ValidationError } from '../errors.ts'
import { type CommonInput, type Draft, type DraftTarget, draftCommon, type StorageParts } from './draft.ts'
import { fingerprintOf } from './place.ts'

/** Filters as given: an absent or null part takes all. */
export type ImportFiltersInput = { [Name in keyof ImportFilters]?: ImportFilters[Name] | null | undefined }

/** The settings of an import storage; absent ones keep their value or default. */
export interface ImportStorageInput extends CommonInput {
  importMethod?: ImportMethod | null | undefined
  regexFilter?: string | null | undefined
  /** Replaces all filters; null clears them. */
  filters?: ImportFiltersInput | null | undefined
  recursive?: boolean | null | undefined
  skipSidecars?: boolean | null | undefined
  hiveColumns?: boolean | null | undefined
  keepTimes?: boolean | null | undefined
  syncMode?: SyncMode | null | undefined
  missingPolicy?: MissingPolicy | null | undefined
  changedPolicy?: ChangedPolicy | null | undefined
  /** The brake: a number of objects, or a share of all from 0 to 1; null takes it off. */
  maxMissing?: { count?: number | null | undefined; share?: number | null | undefined } | null | undefined
  presign?: boolean | null | undefined
  presignTtlMinutes?: number | null | undefined
}

/** The row of an import storage as it would be saved. @throws ValidationError, NotFoundError */
export async function draftImport(parts: StorageParts, target: DraftTarget, input: ImportStorageInput): Promise<Draft> {
  const { common, own } = await draftCommon(parts, target, input, (stored, faults) => {
    const regexFilter = (input.regexFilter === undefined ? stored?.regexFilter : input.regexFilter) || null
    const filters = input.filters === undefined ? (stored?.filters ?? null) : withoutAbsent(input.filters)
    try {
      parts.objectFilter({ regexFilter, filters })
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error
      faults.push(...error.fieldErrors)
    }
    const presignTtlMinutes = input.presignTtlMinutes ?? stored?.presignTtlMinutes ?? 15
    if (presignTtlMinutes < 1 || presignTtlMinutes > 10080) {
      faults.push({ path: 'presignTtlMinutes', message: 'must be from 1 to 10080 (a week)' })
    }
    return {
      importMethod: input.importMethod ?? stored?.importMethod ?? 'FILES',
      regexFilter,
      filters,
      recursive: input.recursive ?? stored?.recursive ?? true,
      skipSidecars: input.skipSidecars ?? stored?.skipSidecars ?? true,
      hiveColumns: input.hiveColumns ?? stored?.hiveColumns ?? false,
      keepTimes: input.keepTimes ?? stored?.keepTimes ?? true,
      syncMode: input.syncMode ?? stored?.syncMode ?? 'FULL',
      missingPolicy: input.missingPolicy ?? stored?.missingPolicy ?? 'FLAG',
      changedPolicy: input.changedPolicy ?? stored?.changedPolicy ?? 'IGNORE',
      ...brakeOf(stored, input.maxMissing, faults),
      presign: input.presign ?? stored?.presign ?? true,
      presignTtlMinutes,
    }
  })
  const filter = own.filters ? JSON.stringify([own.regexFilter, own.filters]) : own.regexFilter
  return { ...common, ...own, direction: 'IMPORT', fingerprint: fingerprintOf('IMPORT', common, filter) }
}

function withoutAbsent(filters: ImportFiltersInput | null): ImportFilters | null {
  const given = Object.entries(filters ?? {}).filter(([, value]) => value !== null && value !== undefined)
  return given.length === 0 ? null : (Object.fromEntries(given) as ImportFilters)
}

function brakeOf(
  stored: Storage | null,
  given: ImportStorageInput['maxMissing'],
  faults: FieldError[],
): Pick<Storage, 'maxMissing' | 'maxMissingShare'> {
  if (given === undefined) {
    return { maxMissing: stored?.maxMissing ?? null, maxMissingShare: stored?.maxMissingShare ?? null }
  }
  const { count, share } = given ?? {}
  if (typeof count === 'number' && count < 0) faults.push({ path: 'maxMissing.count', message: 'must not be negative' })
  if (typeof share === 'number' && !(share >= 0 && share <= 1)) {
    faults.push({ path: 'maxMissing.share', message: 'must be from 0 to 1' })
  }
  return { maxMissing: count ?? null, maxMissingShare: share ?? null }
}
