import type { ImportMethod } from '../entities/storage.ts'
import { type CommonInput, type Draft, type DraftTarget, draftCommon, type StorageParts } from './draft.ts'
import { fingerprintOf } from './place.ts'

/** The settings of an import storage; absent ones keep their value or default. */
export interface ImportStorageInput extends CommonInput {
  importMethod?: ImportMethod | null | undefined
  regexFilter?: string | null | undefined
  recursive?: boolean | null | undefined
  presign?: boolean | null | undefined
  presignTtlMinutes?: number | null | undefined
}

/** The row of an import storage as it would be saved. @throws ValidationError, NotFoundError */
export async function draftImport(parts: StorageParts, target: DraftTarget, input: ImportStorageInput): Promise<Draft> {
  const { common, own } = await draftCommon(parts, target, input, (stored, faults) => {
    const regexFilter = (input.regexFilter === undefined ? stored?.regexFilter : input.regexFilter) || null
    try {
      parts.keyFilter(regexFilter)
    } catch (error) {
      faults.push({ path: 'regexFilter', message: (error as Error).message })
    }
    const presignTtlMinutes = input.presignTtlMinutes ?? stored?.presignTtlMinutes ?? 15
    if (presignTtlMinutes < 1 || presignTtlMinutes > 10080) {
      faults.push({ path: 'presignTtlMinutes', message: 'must be from 1 to 10080 (a week)' })
    }
    return {
      importMethod: input.importMethod ?? stored?.importMethod ?? 'FILES',
      regexFilter,
      recursive: input.recursive ?? stored?.recursive ?? true,
      presign: input.presign ?? stored?.presign ?? true,
      presignTtlMinutes,
    }
  })
  return { ...common, ...own, direction: 'IMPORT', fingerprint: fingerprintOf('IMPORT', common, own.regexFilter) }
}
